/** /containers: the node's own, most of them made for tasks. */
import { isSwarmtsError, SwarmtsError, signalNumber } from '@swarmts/lib';
import type { ContainerSummary } from '../backend.js';
import type { WaitCondition } from '../container-backend.js';
import { containerListJson, openPorts } from '../convert/container.js';
import { containerInspectJson } from '../convert/container-inspect.js';
import { readLimitChanges, readRestartPolicy } from '../convert/container-limits.js';
import { untilOf } from '../filter-time.js';
import {
  accepts,
  acceptsLabels,
  acceptsName,
  acceptsPrunedLabels,
  booleanFilter,
  checkWords,
  type FilterArgs,
  parseFilters,
} from '../filters.js';
import { type Call, empty, flag, json, type Reply, readInteger, readJson } from '../http/exchange.js';
import { type Route, route } from '../http/router.js';
import type { RouteContext } from './context.js';
import { createContainer } from './create-container.js';
import { containerLogs } from './logs.js';
import { unlessGone } from './unless-gone.js';

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
  // Containers differ in it on other systems alone.
  'isolation',
  'publish',
  'expose',
];
const STATES = ['created', 'restarting', 'running', 'removing', 'paused', 'exited', 'dead'];

export function containerRoutes(c: RouteContext): Route[] {
  const { node, containers } = c.backend;
  const id = (call: Call) => call.params.id ?? '';
  return [
    route('GET', '/containers/json', async (call) => json(await list(c, call))),
    route('POST', '/containers/create', (call) => createContainer(c, call)),
    // By the name of a link as well: "web/db".
    route('GET', '/containers/{id:*}/json', async (call) => {
      const container = await node.container(id(call));
      const size = flag(call.query, 'size') ? await sizesJson(c, container.id) : {};
      return json({ ...containerInspectJson(container, call.apiVersion), ...size });
    }),
    route('GET', '/containers/{id}/logs', async (call) => {
      const container = await node.container(id(call));
      if (container.logDriver === 'none') {
        throw new SwarmtsError('unsupported', 'configured logging driver does not support reading');
      }
      return containerLogs(call, container, (q) => node.containerLogs(container.id, q, call.signal));
    }),
    route('POST', '/containers/{id}/start', async (call) => {
      const container = await node.container(id(call));
      if (container.state === 'running' || container.state === 'restarting') return empty(304);
      await node.startContainer(container.id);
      return empty(204);
    }),
    route('POST', '/containers/{id}/stop', async (call) => {
      const container = await node.container(id(call));
      if (!isActive(container)) return empty(304);
      await containers.stop(container.id, seconds(call), signalOf(call));
      return empty(204);
    }),
    route('POST', '/containers/{id}/restart', async (call) => {
      await containers.restart((await node.container(id(call))).id, seconds(call), signalOf(call));
      return empty(204);
    }),
    route('POST', '/containers/{id}/kill', async (call) => {
      const signal = signalOf(call) || 'SIGKILL';
      try {
        // Before anything is looked up, as Docker does.
        signalNumber(signal);
        await node.killContainer((await node.container(id(call))).id, signal);
      } catch (e) {
        if (!isSwarmtsError(e)) throw e;
        throw new SwarmtsError(e.code, `cannot kill container: ${id(call)}: ${e.message}`, { cause: e });
      }
      return empty(204);
    }),
    route('POST', '/containers/{id}/pause', async (call) => {
      await containers.pause((await node.container(id(call))).id);
      return empty(204);
    }),
    route('POST', '/containers/{id}/unpause', async (call) => {
      await containers.unpause((await node.container(id(call))).id);
      return empty(204);
    }),
    route('POST', '/containers/{id}/rename', async (call) => {
      const name = (call.query.get('name') ?? '').replace(/^\//, '');
      await containers.rename((await node.container(id(call))).id, name);
      return empty(204);
    }),
    route('POST', '/containers/{id}/update', async (call) => {
      const o = await readJson(call);
      const container = await node.container(id(call));
      const restart = readRestartPolicy(o.object('RestartPolicy'));
      const change = { resources: readLimitChanges(o, call.apiVersion), ...(restart ? { restart } : {}) };
      return json({ Warnings: await containers.update(container.id, change) });
    }),
    route('POST', '/containers/{id}/wait', (call) => wait(c, call)),
    route('POST', '/containers/prune', (call) => prune(c, call)),
    route('DELETE', '/containers/{id:*}', async (call) => {
      if (flag(call.query, 'link')) {
        await containers.removeLink(id(call));
        return empty(204);
      }
      await node.removeContainer(id(call), flag(call.query, 'force'), flag(call.query, 'v'));
      return empty(204);
    }),
  ];
}

export const isActive = (x: ContainerSummary): boolean => ['running', 'paused', 'restarting'].includes(x.state);

const signalOf = (call: Call) => call.query.get('signal') ?? '';

const CONDITIONS: Readonly<Record<string, WaitCondition>> = {
  '': 'not-running',
  'not-running': 'not-running',
  'next-exit': 'next-exit',
  removed: 'removed',
};

/** The head is sent at once: clients start the container when they have it. */
async function wait({ backend }: RouteContext, call: Call): Promise<Reply> {
  const text = call.query.get('condition') ?? '';
  const condition = CONDITIONS[text];
  if (!condition) throw new SwarmtsError('invalid-argument', `invalid condition: "${text}"`);
  const container = await backend.node.container(call.params.id ?? '');
  const end = backend.containers.wait(container.id, condition, call.signal);
  // Whoever does not stay until the end must not leave a failure behind.
  end.catch(() => undefined);
  return {
    kind: 'stream',
    contentType: 'application/json',
    run: async (write) => {
      const { exitCode, error } = await end;
      // A container that is removed as it was asked to is no error, whatever it ended with.
      const failed = error !== '' && condition !== 'removed';
      const body = { StatusCode: exitCode, ...(failed ? { Error: { Message: error } } : {}) };
      await write(`${JSON.stringify(body)}\n`);
    },
  };
}

/** Removes what does not run. */
async function prune({ backend, log, now, pruned }: RouteContext, call: Call): Promise<Reply> {
  const filters = parseFilters(call.query, ['until', 'label', 'label!']);
  const untilMs = untilOf(filters, now());
  const gone = (await backend.node.containers()).filter(
    (x) => !isActive(x) && x.createdAtMs < untilMs && acceptsPrunedLabels(filters, x.labels),
  );
  const removed: string[] = [];
  let reclaimed = 0;
  for (const x of gone) {
    try {
      const { ownBytes } = await backend.containers.sizes(x.id);
      await backend.node.removeContainer(x.id, false, false);
      removed.push(x.id);
      reclaimed += ownBytes;
    } catch (e) {
      // Unless somebody else has removed it, or started it.
      if (!isSwarmtsError(e, 'not-found', 'conflict'))
        log.warn('a container was not pruned', { container: x.id, error: e });
    }
  }
  pruned('container', reclaimed);
  return json({ ContainersDeleted: removed.length === 0 ? null : removed, SpaceReclaimed: reclaimed });
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
  const isTask = booleanFilter(filters, 'is-task');
  checkWords(filters, 'health', ['none', 'starting', 'healthy', 'unhealthy']);
  const limit = readInteger(call.query, 'limit');
  // A question about a state is a question about all containers.
  const all = flag(call.query, 'all') || limit > 0 || filters.has('status') || filters.has('exited');
  for (const v of filters.get('exited') ?? []) {
    if (!/^-?\d+$/.test(v)) throw new SwarmtsError('invalid-argument', `strconv.Atoi: parsing "${v}": invalid syntax`);
  }
  const sorted = [...(await c.backend.node.containers())].sort((a, b) => b.createdAtMs - a.createdAtMs);
  const reference = (name: string) => {
    const ref = filters.get(name)?.[0];
    return ref === undefined ? undefined : c.backend.node.container(ref);
  };
  const before = await reference('before');
  const since = await reference('since');
  const ancestors = await imagesFrom(c, filters.get('ancestor'));
  const found = sorted.filter(
    (x) =>
      (all || isActive(x)) &&
      (before === undefined || x.createdAtMs < before.createdAtMs) &&
      (since === undefined || x.createdAtMs > since.createdAtMs) &&
      (isTask === undefined || isTask === 'com.docker.swarm.task.id' in x.labels) &&
      matches(x, filters) &&
      (ancestors === undefined || ancestors.has(x.imageId)),
  );
  const size = flag(call.query, 'size');
  const linkNames = namesByLinks(sorted);
  const imageOf = currentImages(c);
  const listed = await Promise.all(
    (limit > 0 ? found.slice(0, limit) : found).map(async (x) => {
      const sizes = size ? await unlessGone(sizesJson(c, x.id)) : {};
      const Image = (await imageOf(x.image)) === x.imageId ? x.image : x.imageId;
      return sizes && { ...containerListJson(x, c.now(), call.apiVersion, linkNames.get(x.name)), Image, ...sizes };
    }),
  );
  return listed.filter((x) => x !== undefined);
}

/** What images are called has changed since the container was made, maybe: the id that a name stands for now. */
function currentImages({ backend }: RouteContext): (name: string) => Promise<string | undefined> {
  const known = new Map<string, Promise<string | undefined>>();
  return (name) => {
    const found = known.get(name) ?? imageId(backend, name);
    known.set(name, found);
    return found;
  };
}

async function imageId(backend: RouteContext['backend'], name: string): Promise<string | undefined> {
  try {
    return (await backend.images.find(name)).id;
  } catch (e) {
    if (isSwarmtsError(e, 'image-not-found', 'not-found', 'invalid-argument')) return undefined;
    throw e;
  }
}

/** The images that are named, and those that were built on them; undefined where none are asked for. */
async function imagesFrom(
  { backend }: RouteContext,
  refs: readonly string[] | undefined,
): Promise<ReadonlySet<string> | undefined> {
  if (!refs || refs.length === 0) return undefined;
  const ids = new Set<string>();
  for (const ref of refs) {
    const id = await imageId(backend, ref);
    if (id !== undefined) ids.add(id);
  }
  const all = await backend.images.list();
  for (let before = -1; before !== ids.size; ) {
    before = ids.size;
    for (const i of all) if (ids.has(i.parent)) ids.add(i.id);
  }
  return ids;
}

/** What containers are called by those that are linked to them: "/web/db" for each. */
function namesByLinks(all: readonly ContainerSummary[]): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, string[]>();
  for (const x of all)
    for (const l of x.links) names.set(l.container, [...(names.get(l.container) ?? []), `/${x.name}/${l.alias}`]);
  return names;
}

export async function sizesJson(
  { backend }: RouteContext,
  id: string,
): Promise<{ readonly SizeRw: number; readonly SizeRootFs: number }> {
  const { ownBytes, totalBytes } = await backend.containers.sizes(id);
  return { SizeRw: ownBytes, SizeRootFs: totalBytes };
}

function matches(x: ContainerSummary, filters: FilterArgs): boolean {
  return (
    accepts(filters, 'id', (v) => x.id.startsWith(v)) &&
    (acceptsName(filters, x.name) || acceptsName(filters, `/${x.name}`)) &&
    accepts(filters, 'status', (v) => x.state === v) &&
    accepts(filters, 'health', (v) => x.health === v) &&
    accepts(filters, 'exited', (v) => x.state === 'exited' && String(x.exitCode) === v) &&
    accepts(filters, 'volume', (v) => x.mounts.some((m) => [m.name, m.target, m.source].includes(v))) &&
    accepts(filters, 'network', (v) => isOn(x, v)) &&
    accepts(filters, 'publish', (v) => hasPort(x, v, (p) => p.publishedPort)) &&
    accepts(filters, 'expose', (v) => hasPort(x, v, (p) => p.targetPort)) &&
    acceptsLabels(filters, 'label', x.labels)
  );
}

/** By name, id or unique beginning of one. The host's network, and none, are no places of their own. */
function isOn(x: ContainerSummary, network: string): boolean {
  if (['host', 'none'].includes(network)) return x.networkMode === network;
  return x.networks.some((n) => n.name === network || (n.id !== '' && n.id.startsWith(network)));
}

/** "80", "80/udp", "8000-8080/tcp" */
function hasPort(
  x: ContainerSummary,
  text: string,
  numberOf: (port: ContainerSummary['ports'][number]) => number,
): boolean {
  const [, first, last, protocol = 'tcp'] = /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/.exec(text) ?? [];
  if (first === undefined) throw new SwarmtsError('invalid-argument', `invalid filter: invalid port "${text}"`);
  const [from, to] = [Number(first), Number(last ?? first)];
  return openPorts(x).some((p) => p.protocol === protocol && numberOf(p) >= from && numberOf(p) <= to);
}
