/**
 * Routes by method and path. `{x}` is one path segment, `{x:*}` may contain slashes (image names). A path that is known
 * with other methods answers 405, any other 404.
 */
import { posix } from 'node:path';
import { SwarmtsError } from '@swarmts/lib';
import type { Handler } from './exchange.js';

export interface Route {
  readonly method: string;
  readonly pattern: string;
  readonly handler: Handler;
  /** Why it answers with nothing but an error. */
  readonly refused?: string;
}

export const route = (method: string, pattern: string, handler: Handler): Route => ({ method, pattern, handler });

/** A route of Docker's that swarmts does not serve; by default the reason itself is the error. */
export function refuse(
  method: string,
  pattern: string,
  refused: string,
  error: (params: Readonly<Record<string, string>>) => SwarmtsError = () => new SwarmtsError('unsupported', refused),
): Route {
  const handler: Handler = async (call) => {
    throw error(call.params);
  };
  return { method, pattern, handler, refused };
}

export type Match =
  | {
      readonly kind: 'found';
      readonly handler: Handler;
      readonly params: Readonly<Record<string, string>>;
      readonly refused: string | undefined;
      /** Method and pattern: the same for all requests to it. */
      readonly endpoint: string;
    }
  | { readonly kind: 'no-page' }
  | { readonly kind: 'no-method' };

export class Router {
  readonly #routes: readonly (Route & { readonly regex: RegExp })[];

  constructor(routes: readonly Route[]) {
    this.#routes = routes.map((r) => ({ ...r, regex: compile(r.pattern) }));
  }

  match(method: string, path: string): Match {
    let known = false;
    for (const r of this.#routes) {
      const m = r.regex.exec(path);
      if (m === null) continue;
      known = true;
      if (r.method !== method) continue;
      const params = decodeParams(m.groups ?? {});
      if (params === undefined) return { kind: 'no-page' };
      return { kind: 'found', handler: r.handler, params, refused: r.refused, endpoint: `${r.method} ${r.pattern}` };
    }
    return { kind: known ? 'no-method' : 'no-page' };
  }
}

/** As dockerd: without empty segments, "." and ".."; a slash at the end stays. */
export function cleanPath(path: string): string {
  const clean = posix.normalize(`/${path}`);
  return clean.startsWith('/') ? clean : `/${clean}`;
}

/** "/v1.43/info" -> [[1, 43], "/info"]; a path without version leaves it undefined. */
export function splitVersion(path: string): readonly [version: readonly [number, number] | undefined, rest: string] {
  const m = /^\/v(\d{1,4})\.(\d{1,4})(\/.*)$/.exec(path);
  return m === null ? [undefined, path] : [[Number(m[1]), Number(m[2])], m[3] ?? '/'];
}

function compile(pattern: string): RegExp {
  const source = pattern.replaceAll(/\{(\w+)(:\*)?\}/g, (_, name: string, many: string | undefined) =>
    many === undefined ? `(?<${name}>[^/]+)` : `(?<${name}>.+)`,
  );
  return new RegExp(`^${source}$`);
}

function decodeParams(groups: Readonly<Record<string, string>>): Record<string, string> | undefined {
  try {
    return Object.fromEntries(Object.entries(groups).map(([k, v]) => [k, decodeURIComponent(v)]));
  } catch {
    return undefined;
  }
}
