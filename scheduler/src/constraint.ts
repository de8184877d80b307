/**
 * Placement constraints: `node.labels.zone==east`, `node.role != manager`. Values compare without regard to case, label
 * names with it; an absent label counts as ''; an unknown key never matches. Behaviour: Docker's `--constraint`.
 */
import { isIP } from 'node:net';
import { SwarmtsError } from '@swarmts/lib';
import { cidrContains } from './cidr.js';

export interface Constraint {
  readonly key: string;
  readonly equal: boolean;
  readonly value: string;
}

/** What constraints are matched against. */
export interface ConstraintSubject {
  readonly id: string;
  readonly hostname: string;
  readonly addr: string;
  readonly role: 'worker' | 'manager';
  readonly os: string;
  readonly arch: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly engineLabels: Readonly<Record<string, string>>;
}

const KEY = /^[a-z_][a-z0-9\-_.]+$/i;
const VALUE = /^[a-z0-9A-Z:\-_\s.*()?+[\]\\^$|/]+$/i;

/** Throws SwarmtsError 'invalid-argument' naming the expression. */
export function parseConstraint(expression: string): Constraint {
  const at = ['==', '!='].map((op) => ({ op, i: expression.indexOf(op) })).filter((x) => x.i >= 0);
  const first = at.sort((a, b) => a.i - b.i)[0];
  if (!first) {
    throw new SwarmtsError('invalid-argument', `constraint expected one operator from ==, !=: '${expression}'`);
  }
  const key = expression.slice(0, first.i).trim();
  const value = expression.slice(first.i + 2).trim();
  if (!KEY.test(key))
    throw new SwarmtsError('invalid-argument', `key '${key}' is invalid in constraint '${expression}'`);
  if (!VALUE.test(value)) {
    throw new SwarmtsError('invalid-argument', `value '${value}' is invalid in constraint '${expression}'`);
  }
  return { key, equal: first.op === '==', value };
}

export function parseConstraints(expressions: readonly string[]): readonly Constraint[] {
  return expressions.map(parseConstraint);
}

export function matchesConstraint(c: Constraint, n: ConstraintSubject): boolean {
  if (c.key.toLowerCase() === 'node.ip') return matchesAddress(c, n.addr);
  const actual = attributeOf(c.key, n);
  if (c.key.toLowerCase() === 'node.platform.arch') return (normaliseArch(c.value) === actual) === c.equal;
  if (actual === undefined) return false;
  return (actual.toLowerCase() === c.value.toLowerCase()) === c.equal;
}

function matchesAddress(c: Constraint, addr: string): boolean {
  const [ip = '', bits] = c.value.split('/');
  const family = isIP(ip);
  if (family === 0) return false;
  // One address has many spellings in IPv6.
  const range = bits === undefined ? `${ip}/${family === 6 ? 128 : 32}` : c.value;
  return cidrContains(range, addr) === c.equal;
}

const NODE_LABEL = 'node.labels.';
const ENGINE_LABEL = 'engine.labels.';

function attributeOf(key: string, n: ConstraintSubject): string | undefined {
  const lower = key.toLowerCase();
  if (lower.startsWith(NODE_LABEL)) return labelOf(n.labels, key.slice(NODE_LABEL.length));
  if (lower.startsWith(ENGINE_LABEL)) return labelOf(n.engineLabels, key.slice(ENGINE_LABEL.length));
  switch (lower) {
    case 'node.id':
      return n.id;
    case 'node.hostname':
      return n.hostname;
    case 'node.role':
      return n.role;
    case 'node.platform.os':
      return n.os;
    case 'node.platform.arch':
      return normaliseArch(n.arch);
    default:
      return undefined;
  }
}

/** '' where there is no such label, whatever it is called; undefined without a name. */
export function labelOf(labels: Readonly<Record<string, string>>, name: string): string | undefined {
  if (name === '') return undefined;
  return Object.hasOwn(labels, name) ? labels[name] : '';
}

/** x86_64 and amd64 are one architecture, aarch64 and arm64 another. */
export function normaliseArch(arch: string): string {
  const a = arch.toLowerCase();
  if (a === 'x86_64' || a === 'x64') return 'amd64';
  return a === 'aarch64' ? 'arm64' : a;
}
