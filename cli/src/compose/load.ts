/**
 * Loads a compose project: reads files, fills in variables, validates, writes short forms out, follows include and extends, merges,
 * and keeps the services of the active profiles. Every complaint names file and line.
 */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { CommandError, errorText } from '../exit.js';
import { readNamedFile } from '../read-file.js';
import { dependencyOrder } from './dependencies.js';
import { ComposeDocument, type Path, pathId } from './document.js';
import { parseVariables } from './env-file.js';
import { interpolateAll, type Variables } from './interpolate.js';
import { type Marks, merge } from './merge.js';
import type { ComposeProject, ComposeService } from './model.js';
import { absolute, normalise } from './normalise.js';
import { composeValidator } from './validate.js';

export interface LoadOptions {
  /** Paths, '-' for `stdin`. */
  readonly files: readonly string[];
  readonly stdin: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Files of variables; `.env` beside the first file unless given. */
  readonly envFiles: readonly string[];
  readonly profiles: readonly string[];
  readonly warn: (message: string) => void;
}

/** Files included or extended, one through the other. */
const MAX_DEPTH = 20;

interface Loaded {
  readonly document: ComposeDocument;
  readonly folder: string;
  readonly project: ComposeProject;
}

export function loadProject(o: LoadOptions): ComposeProject {
  const loader = new Loader(o);
  const all = o.files.map((f) => loader.load(f, []));
  const merged = all.reduce<ComposeProject | undefined>((base, next) => loader.mergeProjects(base, next), undefined);
  if (!merged) throw new CommandError('no compose file was given: use --compose-file');
  return checked(activeServices(merged, o.profiles), all[0]?.document.file ?? '');
}

class Loader {
  readonly #o: LoadOptions;
  readonly #variables: Variables;
  readonly #unset = new Set<string>();
  readonly #validate = composeValidator();
  readonly #cache = new Map<string, Loaded>();

  constructor(options: LoadOptions) {
    this.#o = options;
    const fromFiles = this.#readEnvFiles();
    this.#variables = (name) => options.env[name] ?? fromFiles[name];
  }

  #readEnvFiles(): Readonly<Record<string, string>> {
    if (this.#o.envFiles.length > 0) {
      const variables: Record<string, string> = {};
      for (const f of this.#o.envFiles) Object.assign(variables, this.#parseEnvFile(f, read(f), variables));
      return variables;
    }
    const [first = '-'] = this.#o.files;
    const file = join(first === '-' ? '.' : dirname(first), '.env');
    return existsSync(file) ? this.#parseEnvFile(file, read(file), {}) : {};
  }

  #parseEnvFile(file: string, text: string, before: Readonly<Record<string, string>>): Record<string, string> {
    try {
      return parseVariables(text, (name) => this.#o.env[name] ?? before[name]);
    } catch (e) {
      throw new CommandError(`${file}: ${errorText(e)}`);
    }
  }

  /** One file with everything that it includes and extends. `chain` are the files on the way to it. */
  load(path: string, chain: readonly string[]): Loaded {
    const file = path === '-' ? 'stdin' : path;
    const known = this.#cache.get(path);
    if (known) return known;
    if (chain.includes(file) || chain.length > MAX_DEPTH)
      throw new CommandError(`${file}: files include each other in a circle: ${[...chain, file].join(' -> ')}`);
    const document = ComposeDocument.parse(file, path === '-' ? this.#o.stdin : read(path));
    const folder = path === '-' ? process.cwd() : resolve(dirname(path));
    const fail = failAt(document);
    const value = interpolateAll(document.value, this.#variables, fail, (name) => this.#onUnset(name));
    this.#validate(document, value);
    const raw = value as Readonly<Record<string, unknown>>;
    const own = { document, folder, project: normalise(raw, folder, fail) };
    const included = this.#include(raw, own, [...chain, file]);
    const loaded = { ...own, project: this.#extendAll(included, [...chain, file]) };
    this.#cache.set(path, loaded);
    return loaded;
  }

  #onUnset(name: string): void {
    if (this.#unset.has(name)) return;
    this.#unset.add(name);
    this.#o.warn(`The "${name}" variable is not set. Defaulting to a blank string.`);
  }

  #include(raw: Readonly<Record<string, unknown>>, own: Loaded, chain: readonly string[]): Loaded {
    const entries = (raw.include ?? []) as readonly (string | { readonly path: string | readonly string[] })[];
    let project: ComposeProject = { services: {}, networks: {}, volumes: {}, secrets: {}, configs: {} };
    for (const entry of entries) {
      const paths = typeof entry === 'string' ? [entry] : [entry.path].flat();
      for (const p of paths) project = this.mergeProjects(project, this.load(absolute(p, own.folder), chain));
    }
    for (const name of Object.keys(own.project.services))
      if (project.services[name])
        failAt(own.document)(['services', name], `service ${name} is defined here and in an included file`);
    // What the file takes away or replaces is of the files before it, not of those that it includes.
    return { ...own, project: merge(project, own.project) as ComposeProject };
  }

  #extendAll(loaded: Loaded, chain: readonly string[]): ComposeProject {
    const services = Object.fromEntries(
      Object.keys(loaded.project.services).map((name) => [name, this.#extend(name, loaded, chain, [])]),
    );
    return { ...loaded.project, services };
  }

  #extend(name: string, loaded: Loaded, chain: readonly string[], seen: readonly string[]): ComposeService {
    const fail = failAt(loaded.document);
    const service = loaded.project.services[name] ?? fail(['services'], `there is no service ${name}`);
    const base = service.extends;
    if (!base) return service;
    const id = `${loaded.document.file}:${name}`;
    if (seen.includes(id))
      fail(['services', name, 'extends'], `services extend each other in a circle: ${[...seen, id].join(' -> ')}`);
    const source = base.file === undefined ? loaded : this.load(base.file, chain);
    if (!source.project.services[base.service])
      fail(['services', name, 'extends'], `service ${base.service} is not in ${base.file ?? 'this file'}`);
    const inherited = this.#extend(base.service, source, chain, [...seen, id]);
    const { extends: _, ...rest } = service;
    const path: Path = ['services', name];
    return merge(inherited, rest, marksOf(loaded.document, path)) as ComposeService;
  }

  mergeProjects(base: ComposeProject | undefined, next: Loaded): ComposeProject {
    if (!base) return next.project;
    return merge(base, next.project, marksOf(next.document, [])) as ComposeProject;
  }
}

function marksOf(document: ComposeDocument, prefix: Path): Marks {
  return {
    isReset: (path) => document.resets.has(pathId([...prefix, ...path])),
    isOverride: (path) => document.overrides.has(pathId([...prefix, ...path])),
  };
}

function failAt(document: ComposeDocument): (path: Path, message: string) => never {
  return (path, message) => {
    throw new CommandError(`${document.where(path)}: ${path.length === 0 ? '' : `${path.join('.')}: `}${message}`);
  };
}

const read = (path: string): string => readNamedFile(path).toString();

/** Services without profiles, those of an active one, and what these depend on where it is named. */
function activeServices(p: ComposeProject, profiles: readonly string[]): ComposeProject {
  const active = (s: ComposeService) =>
    !s.profiles || s.profiles.length === 0 || profiles.includes('*') || s.profiles.some((x) => profiles.includes(x));
  return { ...p, services: Object.fromEntries(Object.entries(p.services).filter(([, s]) => active(s))) };
}

/** What services name must be defined. */
function checked(p: ComposeProject, file: string): ComposeProject {
  const bad = (message: string): never => {
    throw new CommandError(`${file}: ${message}`);
  };
  if (Object.keys(p.services).length === 0) bad('there is no service in it, or none in an active profile');
  try {
    dependencyOrder(p.services);
  } catch (e) {
    bad(errorText(e));
  }
  for (const [name, s] of Object.entries(p.services)) {
    for (const n of Object.keys(s.networks ?? {}))
      if (n !== 'default' && !p.networks[n]) bad(`service ${name} uses network ${n}, which is not defined`);
    for (const v of s.volumes ?? [])
      if (v.type === 'volume' && v.source !== undefined && !p.volumes[v.source])
        bad(`service ${name} uses volume ${v.source}, which is not defined`);
    for (const kind of ['secrets', 'configs'] as const)
      for (const r of s[kind] ?? [])
        if (!p[kind][r.source]) bad(`service ${name} uses ${kind.slice(0, -1)} ${r.source}, which is not defined`);
  }
  return p;
}
