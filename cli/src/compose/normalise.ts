/**
 * Writes the short forms of a validated file out and makes its paths absolute, so that files can be merged key by key. Pure but
 * for the folder and home directory that it is told.
 */
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { shellWords } from '../service/flag-values.js';
import { dictionary } from './dictionary.js';
import type { ComposeProject } from './model.js';
import { parsePort } from './short-port.js';
import { parseVolume } from './short-volume.js';

type Raw = Readonly<Record<string, unknown>>;
type Fail = (path: readonly (string | number)[], message: string) => never;

/** `value` has passed the schema. */
export function normalise(value: Raw, folder: string, fail: Fail): ComposeProject {
  const section = (name: string) => (value[name] ?? {}) as Readonly<Record<string, Raw | null>>;
  const each = (name: string, fn: (raw: Raw, key: string) => Raw) =>
    Object.fromEntries(Object.entries(section(name)).map(([k, v]) => [k, fn(v ?? {}, k)]));
  // The schema has been checked: these are the shapes that it allows, with every short form replaced.
  return {
    ...(value.name === undefined ? {} : { name: value.name }),
    services: each('services', (s, name) => normaliseService(s, folder, (p, m) => fail(['services', name, ...p], m))),
    networks: each('networks', (n, name) => withDictionaries(n, name)),
    volumes: each('volumes', (n, name) => withDictionaries(n, name)),
    secrets: each('secrets', (n, name) => withFile(withDictionaries(n, name), folder)),
    configs: each('configs', (n, name) => withFile(withDictionaries(n, name), folder)),
  } as unknown as ComposeProject;
}

/** `external: {name: x}` is the old form of `external: true` and `name: x`. */
function withDictionaries(raw: Raw, key: string): Raw {
  const external = raw.external as boolean | { readonly name?: string } | undefined;
  return {
    ...raw,
    ...(raw.labels === undefined ? {} : { labels: dictionary(raw.labels) }),
    ...(raw.driver_opts === undefined ? {} : { driver_opts: dictionary(raw.driver_opts) }),
    ...(typeof external === 'object' ? { external: true, name: external.name ?? raw.name ?? key } : {}),
  };
}

function withFile(raw: Raw, folder: string): Raw {
  return typeof raw.file === 'string' ? { ...raw, file: absolute(raw.file, folder) } : raw;
}

function normaliseService(raw: Raw, folder: string, fail: Fail): Raw {
  const out: Record<string, unknown> = { ...raw };
  const change = (key: string, fn: (v: unknown) => unknown) => {
    if (raw[key] === undefined) return;
    try {
      out[key] = fn(raw[key]);
    } catch (e) {
      fail([key], e instanceof Error ? e.message : String(e));
    }
  };
  for (const key of ['environment', 'labels', 'sysctls', 'annotations']) change(key, dictionary);
  for (const key of ['command', 'entrypoint']) change(key, words);
  for (const key of ['dns', 'dns_search', 'tmpfs']) change(key, list);
  change('extra_hosts', hosts);
  change('env_file', (v) => envFiles(v, folder));
  change('label_file', (v) => list(v).map((path) => absolute(String(path), folder)));
  change('depends_on', dependencies);
  change('networks', (v) => (Array.isArray(v) ? Object.fromEntries(v.map((n) => [n, null])) : v));
  change('ulimits', ulimits);
  change('extends', (v) => extendsOf(v, folder));
  change('healthcheck', (v) => healthcheck(v as Raw));
  change('deploy', (v) => deploy((v ?? {}) as Raw));
  change('logging', (v) => optionsOf(v as Raw));
  changeEach(raw, out, 'ports', fail, (p) => parsePort(p));
  changeEach(raw, out, 'volumes', fail, (v) => [parseVolume(v, (path) => absolute(path, folder))]);
  for (const key of ['secrets', 'configs'])
    changeEach(raw, out, key, fail, (v) => [typeof v === 'string' ? { source: v } : v]);
  return out;
}

function changeEach(
  raw: Raw,
  out: Record<string, unknown>,
  key: string,
  fail: Fail,
  fn: (v: unknown) => readonly unknown[],
): void {
  const items = raw[key];
  if (!Array.isArray(items)) return;
  out[key] = items.flatMap((item, i) => {
    try {
      return fn(item);
    } catch (e) {
      return fail([key, i], e instanceof Error ? e.message : String(e));
    }
  });
}

const list = (v: unknown): readonly unknown[] => (Array.isArray(v) ? v : [v]);

function words(v: unknown): readonly string[] | undefined {
  if (v === null) return undefined;
  return Array.isArray(v) ? v : shellWords(v as string);
}

/** "name=address" or "name:address", as the API wants them: "name:address". */
function hosts(v: unknown): readonly string[] {
  const entries = Array.isArray(v)
    ? (v as string[])
    : Object.entries(v as Raw).flatMap(([name, address]) => list(address).map((a) => `${name}=${a}`));
  return entries.map((e) => {
    const at = e.search(/[=:]/);
    if (at < 1) throw new Error(`invalid host ${e}: use NAME=ADDRESS`);
    return `${e.slice(0, at)}:${e.slice(at + 1).replace(/^\[|\]$/g, '')}`;
  });
}

function envFiles(v: unknown, folder: string): readonly Raw[] {
  return list(v).map((f) => {
    const entry = typeof f === 'string' ? { path: f } : (f as Raw);
    return { required: true, ...entry, path: absolute(String((entry as Raw).path), folder) };
  });
}

function dependencies(v: unknown): Raw {
  const entries: [string, Raw][] = Array.isArray(v)
    ? v.map((name: string) => [name, { condition: 'service_started' }])
    : Object.entries(v as Readonly<Record<string, Raw>>);
  return Object.fromEntries(entries.map(([name, d]) => [name, { required: true, ...d }]));
}

function ulimits(v: unknown): Raw {
  const entries = Object.entries(v as Raw);
  return Object.fromEntries(entries.map(([k, u]) => [k, typeof u === 'number' ? { soft: u, hard: u } : u]));
}

function extendsOf(v: unknown, folder: string): Raw {
  const e = typeof v === 'string' ? { service: v } : (v as Raw);
  const { file } = e as Raw;
  return typeof file === 'string' ? { ...e, file: absolute(file, folder) } : e;
}

function healthcheck(v: Raw): Raw {
  const { test } = v;
  if (typeof test === 'string') return { ...v, test: ['CMD-SHELL', test] };
  if (Array.isArray(test) && test.length > 0 && !['NONE', 'CMD', 'CMD-SHELL'].includes(test[0]))
    throw new Error(`the test of a health check begins with CMD, CMD-SHELL or NONE, not with ${test[0]}`);
  return v;
}

function deploy(v: Raw): Raw {
  return v.labels === undefined ? v : { ...v, labels: dictionary(v.labels) };
}

function optionsOf(v: Raw): Raw {
  return v.options === undefined ? v : { ...v, options: dictionary(v.options) };
}

export function absolute(path: string, folder: string): string {
  if (path === '~' || path.startsWith('~/')) return join(homedir(), path.slice(1));
  return isAbsolute(path) ? path : resolve(folder, path);
}
