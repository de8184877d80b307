/**
 * Routes by method and path. `{x}` is one path segment, `{x:*}` may contain slashes (image names). A path that is known
 * with other methods answers 405, any other 404.
 */
import type { Handler } from './exchange.js';

export interface Route {
  readonly method: string;
  readonly pattern: string;
  readonly handler: Handler;
}

export const route = (method: string, pattern: string, handler: Handler): Route => ({ method, pattern, handler });

export type Match =
  | { readonly kind: 'found'; readonly handler: Handler; readonly params: Readonly<Record<string, string>> }
  | { readonly kind: 'no-page' }
  | { readonly kind: 'no-method' };

export class Router {
  readonly #routes: readonly { readonly method: string; readonly regex: RegExp; readonly handler: Handler }[];

  constructor(routes: readonly Route[]) {
    this.#routes = routes.map((r) => ({ method: r.method, regex: compile(r.pattern), handler: r.handler }));
  }

  match(method: string, path: string): Match {
    let known = false;
    for (const r of this.#routes) {
      const m = r.regex.exec(path);
      if (m === null) continue;
      known = true;
      if (r.method !== method) continue;
      const params = decodeParams(m.groups ?? {});
      return params === undefined ? { kind: 'no-page' } : { kind: 'found', handler: r.handler, params };
    }
    return { kind: known ? 'no-method' : 'no-page' };
  }
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
