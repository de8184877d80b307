/** /commit: an image from a container. */
import { SwarmtsError } from '@swarmts/lib';
import { type Call, json, readOptionalJson } from '../http/exchange.js';
import { type Route, route } from '../http/router.js';
import type { RouteContext } from './context.js';

export function commitRoutes({ backend }: RouteContext): Route[] {
  return [
    route('POST', '/commit', async (call) => {
      const { query } = call;
      const container = query.get('container') ?? '';
      if (container === '') throw new SwarmtsError('invalid-argument', 'no container was named: use container=ID');
      const repository = query.get('repo') ?? '';
      const tag = query.get('tag') ?? '';
      const id = await backend.images.commit({
        container,
        name: repository === '' || tag === '' ? repository : `${repository}:${tag}`,
        author: query.get('author') ?? '',
        comment: query.get('comment') ?? '',
        pause: pauses(call),
        changes: query.getAll('changes').flatMap((c) => c.split('\n')),
        config: (await readOptionalJson(call)).value,
      });
      return json({ Id: id }, 201);
    }),
  ];
}

/** Pausing is the default. */
function pauses(call: Call): boolean {
  const text = (call.query.get('pause') ?? '').toLowerCase();
  return !['0', 'false', 'no', 'none'].includes(text);
}
