/** Checks a file against the schema; numbers and booleans that interpolation made strings of become what they are. */
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { parseBytes, parseCpus, parsePositiveDuration, parseSwapBytes } from '../args/quantity.js';
import { CommandError } from '../exit.js';
import type { ComposeDocument, Path } from './document.js';
import { composeSchema } from './schema.js';

/** Errors shown at once. */
const MAX_ERRORS = 10;

const FORMATS = {
  duration: parses(parsePositiveDuration),
  size: parses(parseBytes),
  swap: parses(parseSwapBytes),
  cpus: parses(parseCpus),
};

const FORMAT_WORDS: Readonly<Record<string, string>> = {
  duration: 'a duration such as 1m30s',
  size: 'a size such as 64m',
  swap: 'a size such as 64m, or -1',
  cpus: 'a number of CPUs such as 0.5',
};

function parses(parse: (text: string) => unknown): (text: string) => boolean {
  return (text) => {
    try {
      parse(text);
      return true;
    } catch {
      return false;
    }
  };
}

/** The check throws CommandError with one line per error: file, line, path, what is wrong. */
export function composeValidator(): (document: ComposeDocument, value: unknown) => void {
  const options = { allErrors: true, coerceTypes: true, verbose: true, strict: false, formats: FORMATS } as const;
  const check = new Ajv(options).compile(composeSchema);
  return (document, value) => validate(check, document, value);
}

function validate(check: ValidateFunction, document: ComposeDocument, value: unknown): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new CommandError(`${document.where([])}: a compose file is a map with the key services`);
  if (check(value)) return;
  const lines = mostSpecific(check.errors ?? []).map((e) => {
    const path = pathOf(e);
    const name = path.length === 0 ? 'the file' : path.join('.');
    return `${document.where(path)}: ${name} ${words(e)}`;
  });
  throw new CommandError([...new Set(lines)].slice(0, MAX_ERRORS).join('\n'));
}

function pathOf(e: ErrorObject): Path {
  const path = e.instancePath
    .split('/')
    .slice(1)
    .map((p) => p.replaceAll('~1', '/').replaceAll('~0', '~'));
  const extra = e.params.additionalProperty;
  return typeof extra === 'string' ? [...path, extra] : path;
}

/** Of an alternative that failed, what its branches complain about deeper inside says more than that none fits. */
function mostSpecific(errors: readonly ErrorObject[]): readonly ErrorObject[] {
  const all = errors.filter((e) => e.keyword === 'anyOf');
  const within = (e: ErrorObject, a: ErrorObject) => e !== a && e.schemaPath.startsWith(`${a.schemaPath}/`);
  // Alternatives within alternatives are told with the outer ones.
  const alternatives = all.filter((e) => !all.some((a) => a.instancePath === e.instancePath && within(e, a)));
  return errors.filter((e) => {
    if (all.includes(e) && !alternatives.includes(e)) return false;
    if (e.keyword === 'anyOf')
      return !errors.some(
        (x) => x !== e && x.keyword !== 'anyOf' && pathOf(x).length > pathOf(e).length && under(x, e),
      );
    return !alternatives.some((a) => a.instancePath === e.instancePath && within(e, a));
  });
}

function under(e: ErrorObject, parent: ErrorObject): boolean {
  return e.instancePath === parent.instancePath || e.instancePath.startsWith(`${parent.instancePath}/`);
}

function words(e: ErrorObject): string {
  switch (e.keyword) {
    case 'additionalProperties':
      return 'is not a known key here';
    case 'required':
      return `lacks the key ${e.params.missingProperty}`;
    case 'enum':
      return `must be one of ${(e.params.allowedValues as readonly string[]).join(', ')}, not ${JSON.stringify(e.data)}`;
    case 'type':
      return `must be ${article(e.params.type)}, not ${JSON.stringify(e.data)}`;
    case 'format':
      return `must be ${FORMAT_WORDS[e.params.format]}, not ${JSON.stringify(e.data)}`;
    case 'minimum':
      return `must be at least ${e.params.limit}, not ${JSON.stringify(e.data)}`;
    case 'anyOf':
      return `must be ${alternativesOf(e).map(article).join(' or ')}, not ${JSON.stringify(e.data)}`;
    default:
      return e.message ?? 'is invalid';
  }
}

interface Branch {
  readonly type?: unknown;
  readonly anyOf?: readonly Branch[];
}

function alternativesOf(e: ErrorObject): readonly unknown[] {
  const typesOf = (b: Branch): readonly unknown[] => b.anyOf?.flatMap(typesOf) ?? [b.type];
  const types = (e.schema as readonly Branch[]).flatMap(typesOf);
  return [...new Set(types)].filter((t) => t !== undefined && t !== 'null');
}

function article(type: unknown): string {
  const names = (Array.isArray(type) ? type : [type]).filter((t) => t !== 'null');
  const words: Readonly<Record<string, string>> = { array: 'a list', object: 'a map', integer: 'an integer' };
  return names.map((t) => words[String(t)] ?? `a ${t}`).join(' or ');
}
