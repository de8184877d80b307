/** /containers: the node's own, most of them made for tasks. */
import { SwarmtsError } from '@swarmts/lib';
import type { ContainerSummary } from '../backend.js';
import { containerInspectJson, containerListJson } from '../convert/container.js';
import { readContainerCreate } from '../convert/container-create.js';
import { accepts, acceptsLabels, checkWords, type FilterArgs, parseFilters } from '../filters.js';
import { type Call, empty, flag, json, readJson } from '../http/exchange.js';
import { type Route, route } from '../http/router.js';
import type { RouteContext } from './context.js';
import { containerLogs } from './logs.js';

const FILTERS = [
  'id',
  'name',
  'label',
  'status',
  'ancestor',
  'health',
  'exited',
  'volume',
  'network',
  'before',
  'since',
  'is-task',
];
const STATES = ['created', 'restarting', 'running', 'removing', 'paused', 'exited', 'dead'];

export function containerRoutes(c: RouteContext): Route[] {
  const { node } = c.backend;
  const id = (call: Call) => call.params.id ?? '';
  const unsupported = (what: string) => async () => {
    throw new SwarmtsError('unsupported', what);
  };
  return [
    route('GET', '/containers/json', async (call) => json(await list(c, call))),
    route('POST', '/containers/create', async (call) => {
      const spec = readContainerCreate(await readJson(call), call.query.get('name') ?? '');
      return json({ Id: await node.createContainer(spec), Warnings: [] }, 201);
    }),
    route('POST', '/containers/{id}/attach', unsupported('attach is not supported yet by swarmts: use logs')),
    route('POST', '/containers/{id}/exec', unsupported('exec is not supported yet by swarmts')),
    route('GET', '/containers/{id}/json', async (call) => json(containerInspectJson(await node.container(id(call))))),
    route('GET', '/containers/{id}/logs', async (call) => {
      const container = await node.container(id(call));
      return containerLogs(call, container.tty, (q) => node.containerLogs(container.id, q, call.signal));
    }),
    route('POST', '/containers/{id}/start', async (call) => {
      const container = await node.container(id(call));
      if (container.state === 'running') return empty(304);
      await node.startContainer(container.id);
      return empty(204);
    }),
    route('POST', '/containers/{id}/stop', async (call) => {
      const container = await node.container(id(call));
      if (container.state !== 'running' && container.state !== 'paused') return empty(304);
      await node.stopContainer(container.id, seconds(call));
      return empty(204);
    }),
    route('POST', '/containers/{id}/restart', async (call) => {
      const container = await node.container(id(call));
      if (container.state === 'running') await node.stopContainer(container.id, seconds(call));
      await node.startContainer(container.id);
      return empty(204);
    }),
    route('POST', '/containers/{id}/kill', async (call) => {
      const container = await node.container(id(call));
      if (container.state !== 'running') {
        throw new SwarmtsError(
          'conflict',
          `Cannot kill container: ${id(call)}: container ${container.id} is not running`,
        );
      }
      await node.killContainer(container.id, call.query.get('signal') || 'SIGKILL');
      return empty(204);
    }),
    route('POST', '/containers/{id}/wait', async (call) => {
      const container = await node.container(id(call));
      const end = node.waitContainer(container.id, call.signal);
      return {
        kind: 'stream',
        contentType: 'application/json',
        run: async (write) => {
          const { exitCode, error } = await end;
          const body = { StatusCode: exitCode, ...(error === '' ? {} : { Error: { Message: error } }) };
          await write(`${JSON.stringify(body)}\n`);
        },
      };
    }),
    route('DELETE', '/containers/{id}', async (call) => {
      await node.removeContainer(id(call), flag(call.query, 'force'), flag(call.query, 'v'));
      return empty(204);
    }),
  ];
}

function seconds(call: Call): number | undefined {
  const text = call.query.get('t');
  if (text === null || text === '') return undefined;
  if (!/^-?\d+$/.test(text)) throw new SwarmtsError('invalid-argument', `invalid timeout "${text}": seconds expected`);
  return Number(text);
}

async function list(c: RouteContext, call: Call): Promise<unknown[]> {
  const filters = parseFilters(call.query, FILTERS);
  checkWords(filters, 'status', STATES);
  checkWords(filters, 'health', ['none', 'starting', 'healthy', 'unhealthy']);
  const limit = Number(call.query.get('limit') ?? 0) || 0;
  // A question about a state is a question about all containers.
  const all = flag(call.query, 'all') || limit > 0 || filters.has('status') || filters.has('exited');
  const sorted = [...(await c.backend.node.containers())].sort((a, b) => b.createdAtMs - a.createdAtMs);
  const reference = (name: string) => {
    const ref = filters.get(name)?.[0];
    return ref === undefined ? undefined : c.backend.node.container(ref);
  };
  const before = await reference('before');
  const since = await reference('since');
  const found = sorted.filter(
    (x) =>
      (all || x.state === 'running' || x.state === 'paused') &&
      (before === undefined || x.createdAtMs < before.createdAtMs) &&
      (since === undefined || x.createdAtMs > since.createdAtMs) &&
      matches(x, filters),
  );
  return (limit > 0 ? found.slice(0, limit) : found).map((x) => ({
    ...containerListJson(x, c.now()),
    ...(flag(call.query, 'size') ? { SizeRw: 0, SizeRootFs: 0 } : {}),
  }));
}

function matches(x: ContainerSummary, filters: FilterArgs): boolean {
  return (
    accepts(filters, 'id', (v) => x.id.startsWith(v)) &&
    accepts(filters, 'name', (v) => `/${x.name}`.includes(v)) &&
    accepts(filters, 'status', (v) => x.state === v) &&
    accepts(filters, 'health', (v) => x.health === v) &&
    accepts(filters, 'exited', (v) => x.state === 'exited' && String(x.exitCode) === v) &&
    accepts(filters, 'ancestor', (v) => isAncestor(x, v)) &&
    accepts(filters, 'volume', (v) => x.mounts.some((m) => m.name === v || m.target === v)) &&
    accepts(filters, 'network', (v) => x.networkMode === v) &&
    accepts(filters, 'is-task', (v) => 'com.docker.swarm.task.id' in x.labels === (v === 'true' || v === '1')) &&
    acceptsLabels(filters, 'label', x.labels)
  );
}

function isAncestor(x: ContainerSummary, ref: string): boolean {
  const bare = x.imageId.replace(/^sha256:/, '');
  return (
    x.image === ref || x.image === `${ref}:latest` || x.imageId === ref || (ref.length >= 6 && bare.startsWith(ref))
  );
}
