/** /plugins: there are none, and none can be installed. /session belongs to another builder. */
import { SwarmtsError } from '@swarmts/lib';
import { parseFilters } from '../filters.js';
import { json } from '../http/exchange.js';
import { type Route, refuse, route } from '../http/router.js';

const NO_PLUGINS = 'plugins are not supported by swarmts: network and volume drivers are built in';
const NO_BUILDKIT = 'BuildKit is not supported by this daemon: set DOCKER_BUILDKIT=0';

export function pluginRoutes(): Route[] {
  const named = (method: string, verb: string) =>
    refuse(method, `/plugins/{name:*}${verb}`, 'there is no plugin', missing);
  return [
    route('GET', '/plugins', async ({ query }) => {
      parseFilters(query, ['capability', 'enabled']);
      return json([]);
    }),
    refuse('GET', '/plugins/privileges', NO_PLUGINS),
    refuse('POST', '/plugins/pull', NO_PLUGINS),
    refuse('POST', '/plugins/create', NO_PLUGINS),
    named('GET', '/json'),
    named('POST', '/enable'),
    named('POST', '/disable'),
    named('POST', '/upgrade'),
    named('POST', '/push'),
    named('POST', '/set'),
    named('DELETE', ''),
    refuse('POST', '/session', NO_BUILDKIT),
  ];
}

function missing(params: Readonly<Record<string, string>>): SwarmtsError {
  return new SwarmtsError('not-found', `plugin "${params.name ?? ''}" not found`);
}
