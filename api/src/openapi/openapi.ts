/** The OpenAPI document of what swarmts answers beside the Docker Engine API, made from the routes. Pure. */
import { invariant } from '@swarmts/lib';
import type { Route } from '../http/router.js';
import { type Endpoint, ownEndpoints } from './own-endpoints.js';
import { object, string } from './schema.js';

const PREFIX = '/swarmts/v1/';

/** Endpoints of ours among the routes. */
export function ownEndpointsOf(routes: readonly Route[]): readonly string[] {
  return routes.filter((r) => r.pattern.startsWith(PREFIX)).map((r) => `${r.method} ${r.pattern}`);
}

export function openApiDocument(endpoints: readonly string[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const endpoint of endpoints) {
    const [method = '', path = ''] = endpoint.split(' ');
    const description = ownEndpoints[endpoint];
    invariant(description, `${endpoint} is described in own-endpoints.ts`);
    paths[path] = { ...paths[path], [method.toLowerCase()]: operationOf(path, description) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'swarmts',
      version: '1',
      description:
        'What swarmts answers beside the Docker Engine API, on the same addresses. Errors are `{"message": "..."}`.',
    },
    paths,
    components: {
      responses: { Error: { description: 'why not', ...contentOf('application/json', object({ message: string })) } },
    },
  };
}

function operationOf(path: string, e: Endpoint): object {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) =>
    parameterOf('path', name ?? '', 'id, unique prefix or name'),
  );
  const inQuery = Object.entries(e.query ?? {}).map(([name, description]) => parameterOf('query', name, description));
  const parameters = [...inPath, ...inQuery];
  return {
    summary: e.summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(e.body ? { requestBody: { required: true, ...contentOf('application/json', e.body) } } : {}),
    responses: {
      [String(e.status ?? 200)]: {
        description: e.answers ?? 'done',
        ...(e.answer ? contentOf('application/json', e.answer) : {}),
      },
      default: { $ref: '#/components/responses/Error' },
    },
  };
}

function parameterOf(where: 'path' | 'query', name: string, description: string): object {
  return { name, in: where, required: where === 'path', description, schema: string };
}

const contentOf = (type: string, schema: object) => ({ content: { [type]: { schema } } });
