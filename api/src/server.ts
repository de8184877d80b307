/** The API server, assembled: Docker's routes over a Backend. */
import type { Logger } from '@swarmts/lib';
import type { Backend } from './backend.js';
import { EventHub } from './events/event-hub.js';
import { json } from './http/exchange.js';
import { type Route, Router, route } from './http/router.js';
import { type ApiServer, HttpApiServer, type RequestObserver } from './http/server.js';
import { openApiDocument, ownEndpointsOf } from './openapi/openapi.js';
import { buildRoutes } from './routes/build.js';
import { clientCertificateRoutes } from './routes/client-certificates.js';
import { commitRoutes } from './routes/commit.js';
import { containerFileRoutes } from './routes/container-files.js';
import { containerUsageRoutes } from './routes/container-usage.js';
import { containerRoutes } from './routes/containers.js';
import type { RouteContext } from './routes/context.js';
import { eventRoutes } from './routes/events.js';
import { execRoutes } from './routes/exec.js';
import { healthRoutes } from './routes/health.js';
import { imageTransferRoutes } from './routes/image-transfer.js';
import { imageRoutes } from './routes/images.js';
import { networkRoutes } from './routes/networks.js';
import { nodeRoutes } from './routes/nodes.js';
import { pluginRoutes } from './routes/plugins.js';
import { secretRoutes } from './routes/secrets.js';
import { serviceRoutes } from './routes/services.js';
import { swarmRoutes } from './routes/swarm.js';
import { systemRoutes } from './routes/system.js';
import { taskRoutes } from './routes/tasks.js';
import { volumeRoutes } from './routes/volumes.js';

export interface ApiServerOptions {
  readonly backend: Backend;
  readonly version: string;
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  readonly observe?: RequestObserver;
}

export function createApiServer(options: ApiServerOptions): ApiServer {
  const c = {
    backend: options.backend,
    version: options.version,
    log: options.log,
    now: options.now ?? Date.now,
  };
  const { routes, hub } = engineRoutes(c);
  const server = new HttpApiServer(new Router(routes), options.version, options.log, options.observe);
  return {
    listen: (address, listening) => server.listen(address, listening),
    close: async () => {
      hub.close();
      await server.close();
    },
  };
}

/** All routes; the hub must be closed. */
export function engineRoutes(given: Omit<RouteContext, 'pruned'>): {
  readonly routes: readonly Route[];
  readonly hub: EventHub;
} {
  const hub = new EventHub(given.backend);
  const c: RouteContext = { ...given, pruned: (type, bytes) => hub.pruned(type, bytes, given.now()) };
  const routes = [
    ...systemRoutes(c, hub),
    ...healthRoutes(c),
    ...swarmRoutes(c),
    ...clientCertificateRoutes(c),
    ...nodeRoutes(c),
    ...serviceRoutes(c),
    ...taskRoutes(c),
    ...secretRoutes(c),
    ...networkRoutes(c),
    ...containerRoutes(c),
    ...imageTransferRoutes(c),
    ...containerFileRoutes(c),
    ...containerUsageRoutes(c),
    ...execRoutes(c),
    ...imageRoutes(c),
    ...commitRoutes(c),
    ...buildRoutes(c),
    ...volumeRoutes(c),
    ...eventRoutes(c, hub),
    ...pluginRoutes(),
  ];
  const own = [...ownEndpointsOf(routes), 'GET /swarmts/v1/openapi.json'];
  const document = route('GET', '/swarmts/v1/openapi.json', async () => json(openApiDocument(own)));
  return { routes: [...routes, document], hub };
}
