/** What of the Docker Engine API is answered and what is not, as data and as the page `docs/api-coverage.md`. Pure. */
import { type Route, Router } from '../http/router.js';
import { DIFFERENCES } from './differences.js';
import { ENGINE_ENDPOINTS, ENGINE_VERSION } from './engine-endpoints.js';

export type Coverage =
  | { readonly endpoint: string; readonly kind: 'covered' }
  | { readonly endpoint: string; readonly kind: 'partial'; readonly note: string }
  | { readonly endpoint: string; readonly kind: 'refused'; readonly note: string }
  /** No route: "page not found". */
  | { readonly endpoint: string; readonly kind: 'missing' };

export interface CoverageReport {
  readonly engine: readonly Coverage[];
  /** Routes that the Docker Engine API does not have. */
  readonly own: readonly string[];
}

export function coverageOf(routes: readonly Route[]): CoverageReport {
  const router = new Router(routes);
  const engine = ENGINE_ENDPOINTS.map((endpoint): Coverage => {
    const [method = '', path = ''] = endpoint.split(' ');
    const found = router.match(method, path.replaceAll(/\{\w+\}/g, 'x'));
    if (found.kind !== 'found') return { endpoint, kind: 'missing' };
    if (found.refused !== undefined) return { endpoint, kind: 'refused', note: found.refused };
    const note = DIFFERENCES[endpoint];
    return note === undefined ? { endpoint, kind: 'covered' } : { endpoint, kind: 'partial', note };
  });
  const known = new Set(ENGINE_ENDPOINTS);
  const own = routes.map((r) => `${r.method} ${r.pattern.replaceAll(':*', '')}`).filter((r) => !known.has(r));
  return { engine, own: [...new Set(own)].sort() };
}

export function coveragePage(report: CoverageReport): string {
  const count = (kind: Coverage['kind']) => report.engine.filter((e) => e.kind === kind).length;
  const rows = report.engine.map((e) => `| \`${e.endpoint}\` | ${e.kind} | ${'note' in e ? e.note : ''} |`);
  return `# Coverage of the Docker Engine API

Generated from the list of routes by \`api/src/coverage\`: \`REWRITE_GOLDEN=1 npx mocha --no-config 'api/dist/coverage/*.test.js'\` after a
change. Version ${ENGINE_VERSION}; requests from \`/v1.24\` on are taken, and a path without a version means ${ENGINE_VERSION}.

- **covered**: answered; no difference is known (${count('covered')})
- **partial**: answered, with the known differences in the last column (${count('partial')})
- **refused**: an error that says why, status 501 or 404 (${count('refused')})
- **missing**: no route, status 404 "page not found" (${count('missing')})

| endpoint | state | differences |
| --- | --- | --- |
${rows.join('\n')}

Beside these, swarmts answers:

${report.own.map((r) => `- \`${r}\``).join('\n')}
`;
}
