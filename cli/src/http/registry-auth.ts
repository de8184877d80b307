/** Credentials for a registry as the X-Registry-Auth and X-Registry-Config headers want them. */
import { allCredentials, type Env, findCredentials, HUB } from './docker-config.js';

/** The registry of an image reference; the Hub's key in config.json for names without a host. */
export function registryOf(image: string): string {
  const [first = '', ...rest] = image.split('/');
  return rest.length > 0 && (/[.:]/.test(first) || first === 'localhost') ? first : HUB;
}

export function registryAuth(env: Env, image: string): string | undefined {
  const found = findCredentials(env, registryOf(image));
  return found && encoded(found);
}

/** A push without credentials still says that it has none. */
export function pushAuth(env: Env, image: string): string {
  return registryAuth(env, image) ?? encoded({});
}

/** For builds, which may pull from several registries. */
export function registryConfig(env: Env): string {
  return encoded(allCredentials(env));
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
