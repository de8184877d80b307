/** How long requests take until their answer begins, by route; some of them as dockerd counts them. */
import { Histogram, type Registry } from 'prom-client';

const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Routes that dockerd counts as an action on a container. */
const CONTAINER_ACTIONS: Readonly<Record<string, string>> = {
  'GET /containers/{id}/changes': 'changes',
  'POST /commit': 'commit',
  'POST /containers/create': 'create',
  'DELETE /containers/{id}': 'delete',
  'POST /containers/{id}/start': 'start',
};

export class ApiMetrics {
  readonly #requests: Histogram<'method' | 'route' | 'code'>;
  readonly #actions: Histogram<'action'>;

  constructor(registry: Registry) {
    this.#requests = new Histogram({
      name: 'swarmts_api_request_duration_seconds',
      help: 'The seconds until the answer of a request of the API begins',
      labelNames: ['method', 'route', 'code'],
      buckets: BUCKETS,
      registers: [registry],
    });
    this.#actions = new Histogram({
      name: 'engine_daemon_container_actions_seconds',
      help: 'The number of seconds it takes to process each container action',
      labelNames: ['action'],
      registers: [registry],
    });
    for (const action of Object.values(CONTAINER_ACTIONS)) this.#actions.zero({ action });
  }

  /** `endpoint` is method and pattern of the route, so that there are as many series as routes. */
  observe(endpoint: string, status: number, seconds: number): void {
    const [method = '', route = ''] = endpoint.replaceAll(':*', '').split(' ');
    this.#requests.observe({ method, route, code: String(status) }, seconds);
    const action = CONTAINER_ACTIONS[endpoint];
    if (action !== undefined && status < 400) this.#actions.observe({ action }, seconds);
  }
}
