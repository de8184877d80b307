/** /tasks. Filters by service and node take names too: they are resolved first, as Docker's daemon does. */
import { type Task, TaskState, taskName } from '@swarmts/proto';
import type { SwarmBackend } from '../backend.js';
import { taskJson, taskTexts } from '../convert/task.js';
import { accepts, acceptsLabels, booleanFilter, checkWords, type FilterArgs, parseFilters } from '../filters.js';
import { json, jsonList } from '../http/exchange.js';
import { type Route, route } from '../http/router.js';
import type { RouteContext } from './context.js';
import { swarmLogs } from './logs.js';

const DESIRED_STATES: Readonly<Record<string, TaskState>> = {
  running: TaskState.RUNNING,
  shutdown: TaskState.SHUTDOWN,
  accepted: TaskState.ACCEPTED,
};
const FILTERS = ['desired-state', 'id', 'label', 'name', 'node', 'service', 'up-to-date', '_up-to-date', 'runtime'];

export function taskRoutes(c: RouteContext): Route[] {
  const { swarm } = c.backend;
  const texts = taskTexts();
  return [
    route('GET', '/tasks', async ({ query }) => {
      const filters = parseFilters(query, FILTERS);
      checkWords(filters, 'desired-state', Object.keys(DESIRED_STATES));
      return jsonList(await matchingTasks(swarm, filters), (t) => texts.of(t));
    }),
    route('GET', '/tasks/{id}', async ({ params }) => json(taskJson(await swarm.task(params.id ?? '')))),
    route('GET', '/tasks/{id}/logs', async (call) => {
      const task = await swarm.task(call.params.id ?? '');
      return swarmLogs(c, call, 'task', task.id, task.spec?.container?.tty ?? false);
    }),
  ];
}

async function matchingTasks(swarm: SwarmBackend, filters: FilterArgs): Promise<readonly Task[]> {
  const services = await resolved(filters.get('service'), async (ref) => (await swarm.service(ref)).service.id);
  const nodes = await resolved(filters.get('node'), async (ref) => (await swarm.node(ref)).id);
  const upToDate = booleanFilter(filters, 'up-to-date') ?? booleanFilter(filters, '_up-to-date');
  return (await swarm.tasks({ upToDate: upToDate === true })).filter(
    (t) =>
      (services === undefined || services.has(t.serviceId)) &&
      (nodes === undefined || nodes.has(t.nodeId)) &&
      accepts(filters, 'desired-state', (v) => t.desiredState === DESIRED_STATES[v]) &&
      accepts(filters, 'id', (v) => t.id.startsWith(v)) &&
      accepts(filters, 'name', (v) => taskName(t).startsWith(v)) &&
      accepts(filters, 'runtime', (v) => v === 'container') &&
      acceptsLabels(filters, 'label', { ...t.serviceAnnotations?.labels, ...t.annotations?.labels }),
  );
}

/** The ids behind the references. */
async function resolved(
  refs: readonly string[] | undefined,
  resolve: (ref: string) => Promise<string>,
): Promise<ReadonlySet<string> | undefined> {
  if (refs === undefined || refs.length === 0) return undefined;
  return new Set(await Promise.all(refs.map(resolve)));
}
