/**
 * Docker's config.json, which both command lines share: credentials of registries in `auths`, or in the credential helper that
 * `credsStore` and `credHelpers` name. Everything else in the file is kept as it is.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError } from '../exit.js';

export const HUB = 'https://index.docker.io/v1/';
/** What helpers call the user of an identity token. */
const TOKEN_USER = '<token>';

export type Env = Readonly<Record<string, string | undefined>>;

export interface Credentials {
  readonly username: string;
  readonly password: string;
  readonly identitytoken?: string;
  readonly serveraddress: string;
}

interface AuthEntry {
  readonly auth?: string;
  readonly identitytoken?: string;
}

interface ConfigFile {
  readonly auths?: Readonly<Record<string, AuthEntry>>;
  readonly credsStore?: string;
  readonly credHelpers?: Readonly<Record<string, string>>;
}

function configPath(env: Env): string {
  return join(env.DOCKER_CONFIG ?? join(env.HOME ?? '/', '.docker'), 'config.json');
}

/** Undefined when there are none. */
export function findCredentials(env: Env, registry: string): Credentials | undefined {
  const config = readConfig(env);
  const helper = helperOf(config, registry);
  if (helper !== undefined) return askHelper(helper, registry, env);
  const key = keyOf(config, registry);
  const entry = key === undefined ? undefined : config.auths?.[key];
  if (!entry?.auth && !entry?.identitytoken) return undefined;
  const [username = '', ...password] = Buffer.from(entry.auth ?? '', 'base64')
    .toString()
    .split(':');
  const identity = entry.identitytoken ? { identitytoken: entry.identitytoken } : {};
  return { username, password: password.join(':').replace(/\0+$/, ''), ...identity, serveraddress: registry };
}

/** Every registry that the file knows, for builds. */
export function allCredentials(env: Env): Readonly<Record<string, Credentials>> {
  const config = readConfig(env);
  const registries = [...Object.keys(config.auths ?? {}), ...Object.keys(config.credHelpers ?? {})];
  return Object.fromEntries(
    registries.flatMap((r) => {
      const found = findCredentials(env, r);
      return found ? [[r, found]] : [];
    }),
  );
}

/** Resolves to the place where they are in clear, undefined when a helper has taken them. */
export function storeCredentials(env: Env, c: Credentials): string | undefined {
  const config = readConfig(env);
  const helper = helperOf(config, c.serveraddress);
  if (helper !== undefined) {
    const Username = c.identitytoken ? TOKEN_USER : c.username;
    runHelper(
      helper,
      'store',
      JSON.stringify({ ServerURL: c.serveraddress, Username, Secret: c.identitytoken || c.password }),
      env,
    );
    writeConfig(env, { ...config, auths: { ...config.auths, [c.serveraddress]: {} } });
    return undefined;
  }
  const auth = Buffer.from(`${c.username}:${c.identitytoken ? '' : c.password}`).toString('base64');
  const entry = c.identitytoken ? { auth, identitytoken: c.identitytoken } : { auth };
  writeConfig(env, { ...config, auths: { ...config.auths, [c.serveraddress]: entry } });
  return configPath(env);
}

/** False when there was nothing to forget. */
export function eraseCredentials(env: Env, registry: string): boolean {
  const config = readConfig(env);
  const key = keyOf(config, registry);
  const helper = helperOf(config, registry);
  if (helper !== undefined) runHelper(helper, 'erase', registry, env);
  if (key === undefined) return helper !== undefined;
  const auths = Object.fromEntries(Object.entries(config.auths ?? {}).filter(([k]) => k !== key));
  writeConfig(env, { ...config, auths });
  return true;
}

function readConfig(env: Env): ConfigFile {
  let text: string;
  try {
    text = readFileSync(configPath(env), 'utf8');
  } catch {
    // No file: then there are no credentials.
    return {};
  }
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? parsed : {};
  } catch (e) {
    throw new CommandError(`${configPath(env)} is not valid JSON: ${e instanceof Error ? e.message : String(e)}`);
  }
}

/** Replaced in one step: a half-written file would lose every login. */
function writeConfig(env: Env, config: ConfigFile): void {
  const path = configPath(env);
  mkdirSync(join(path, '..'), { recursive: true, mode: 0o700 });
  const aside = `${path}.${process.pid}`;
  writeFileSync(aside, `${JSON.stringify(config, null, '\t')}\n`, { mode: 0o600 });
  chmodSync(aside, 0o600);
  renameSync(aside, path);
}

/** Entries may be written as URLs. */
function keyOf(config: ConfigFile, registry: string): string | undefined {
  const bare = (key: string) => key.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
  const keys = Object.keys(config.auths ?? {});
  return keys.find((k) => k === registry) ?? keys.find((k) => bare(k) === bare(registry));
}

function helperOf(config: ConfigFile, registry: string): string | undefined {
  return config.credHelpers?.[registry] ?? (config.credsStore || undefined);
}

function askHelper(helper: string, registry: string, env: Env): Credentials | undefined {
  const text = runHelper(helper, 'get', registry, env, /credentials not found/i);
  if (text === undefined) return undefined;
  const found = JSON.parse(text) as { readonly Username?: string; readonly Secret?: string };
  const [username, secret] = [found.Username ?? '', found.Secret ?? ''];
  return username === TOKEN_USER
    ? { username: '', password: '', identitytoken: secret, serveraddress: registry }
    : { username, password: secret, serveraddress: registry };
}

/** The protocol of docker-credential-* programs. Undefined when it says what `expected` says. */
function runHelper(helper: string, verb: string, input: string, env: Env, expected?: RegExp): string | undefined {
  const program = `docker-credential-${helper}`;
  const r = spawnSync(program, [verb], { input, encoding: 'utf8', env: { ...env } });
  // A helper that answers without reading what it is told has done its work all the same.
  const unread = r.error !== undefined && 'code' in r.error && r.error.code === 'EPIPE';
  if (r.error && !unread) throw new CommandError(`cannot run the credential helper ${program}: ${r.error.message}`);
  if (r.status === 0) return r.stdout;
  const said = (r.stdout || r.stderr).trim();
  if (expected?.test(said)) return undefined;
  throw new CommandError(
    `error ${verb === 'get' ? 'getting' : 'storing'} credentials - err: exit status ${r.status}, out: \`${said}\``,
  );
}
