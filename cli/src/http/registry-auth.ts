/** Credentials for a registry from Docker's config.json, as the X-Registry-Auth header wants them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const HUB = 'https://index.docker.io/v1/';

interface ConfigFile {
  readonly auths?: Readonly<Record<string, { readonly auth?: string; readonly identitytoken?: string }>>;
}

type Env = Readonly<Record<string, string | undefined>>;

/** The registry of an image reference; the Hub's key in config.json for names without a host. */
export function registryOf(image: string): string {
  const [first = '', ...rest] = image.split('/');
  return rest.length > 0 && (/[.:]/.test(first) || first === 'localhost') ? first : HUB;
}

export function registryAuth(env: Env, image: string): string | undefined {
  const registry = registryOf(image);
  const entry = readConfig(env).auths?.[registry];
  if (!entry) return undefined;
  const [username = '', ...password] = Buffer.from(entry.auth ?? '', 'base64')
    .toString()
    .split(':');
  const auth = entry.identitytoken
    ? { identitytoken: entry.identitytoken, serveraddress: registry }
    : { username, password: password.join(':'), serveraddress: registry };
  return Buffer.from(JSON.stringify(auth)).toString('base64url');
}

function readConfig(env: Env): ConfigFile {
  const folder = env.DOCKER_CONFIG ?? join(env.HOME ?? '/', '.docker');
  try {
    const parsed: unknown = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
    return typeof parsed === 'object' && parsed !== null ? parsed : {};
  } catch {
    // No file, or one that is not JSON: then there are no credentials.
    return {};
  }
}
