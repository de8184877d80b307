/** /networks: those of the swarm, on managers, the node's own, and the three that every node has. */
import { isSwarmtsError, SwarmtsError } from '@swarmts/lib';
import {
  builtinNetworks,
  findBuiltinNetwork,
  MTU_OPTION,
  type Network,
  type NetworkSpec,
  networkDriver,
} from '@swarmts/proto';
import type { ContainerSummary } from '../backend.js';
import { builtinNetworkJson } from '../convert/builtin-networks.js';
import { readWish, refuseOnBridge } from '../convert/container-create.js';
import { joinedNetworkJson } from '../convert/joined-network.js';
import { networkJson, readNetworkSpec } from '../convert/network.js';
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
import { type ApiVersion, SINCE } from '../http/api-version.js';
import { type Call, empty, flag, json, type Reply, readJson } from '../http/exchange.js';
import { type Route, route } from '../http/router.js';
import type { JsonObject } from '../json/object.js';
import type { RouteContext } from './context.js';
import { checkEndpoint } from './endpoint-check.js';
import { NO_ANSWER, type UserNetwork, userNetworks } from './known-networks.js';
import { networkStatus } from './network-status.js';

type NetworkJson = Readonly<Record<string, unknown>>;

interface KnownNetwork {
  readonly id: string;
  readonly name: string;
  readonly kind: 'swarm' | 'local' | 'builtin';
  readonly scope: 'swarm' | 'local';
  readonly driver: string;
  /** Absent for a builtin one. */
  readonly network?: Network;
  /** With the containers where one network is asked for; lists have none. */
  readonly json: (containers?: readonly ContainerSummary[]) => NetworkJson;
}

/** No network can be made under these names: "default" is what clients call the one of containers that name none. */
const PREDEFINED: ReadonlySet<unknown> = new Set([...Object.keys(builtinNetworks), 'default']);
const BRIDGE_FLAGS = ['com.docker.network.bridge.enable_icc', 'com.docker.network.bridge.enable_ip_masquerade'];
const NAME = 'com.docker.network.bridge.name';
const NO_DEVICE = `${NAME} has no effect: containers are joined by a router, and there is no device on the node that could have the name`;
const FILTERS = ['id', 'name', 'driver', 'scope', 'label', 'type', 'dangling'];

export function networkRoutes(c: RouteContext): Route[] {
  const ref = (call: Call) => call.params.id ?? '';
  return [
    route('GET', '/networks', (call) => list(c, call)),
    // As old clients write it.
    route('GET', '/networks/', (call) => list(c, call)),
    route('GET', '/networks/{id}', async (call) => {
      const found = findNetwork(await allNetworks(c), ref(call), call.query.get('scope') ?? '');
      const joined = c.backend.node.joinedNetworks().find((n) => n.network.id === found.id);
      const parties = joined ? joinedNetworkJson(joined, flag(call.query, 'verbose')) : {};
      const containers = await c.backend.node.containers();
      const isLean = call.apiVersion[1] >= SINCE.leanAnswers;
      const status = isLean ? await networkStatus(c.backend, found, containers) : {};
      return json({ ...familiesFor(call, found), ...found.json(containers), ...parties, ...status });
    }),
    route('POST', '/networks/create', async (call) =>
      json(await create(c, await readJson(call), call.apiVersion), 201),
    ),
    route('POST', '/networks/prune', async (call) => json({ NetworksDeleted: await prune(c, call.query) })),
    route('POST', '/networks/{id}/connect', async (call) => {
      const body = await readJson(call);
      const container = await c.backend.node.container(body.string('Container'));
      refuseHostAndNone(ref(call));
      // By its name, as those that the container was made for: a wish of before for the same network is over.
      const { id, name } = await reachable(c, ref(call));
      const wish = readWish(name, body.object('EndpointConfig'));
      if (id === builtinNetworks.bridge.id) refuseOnBridge(wish);
      await checkEndpoint(c.backend, wish);
      await c.backend.node.connectContainer(container.id, wish);
      return empty(200);
    }),
    route('POST', '/networks/{id}/disconnect', async (call) => {
      const body = await readJson(call);
      const container = await c.backend.node.container(body.string('Container'));
      const known = container.networks.find((n) => n.id === ref(call) || n.name === ref(call));
      if (container.networkMode === findBuiltinNetwork(ref(call))?.name) refuseHostAndNone(ref(call));
      const found = known ?? findNetwork(await allNetworks(c), ref(call), '');
      await c.backend.node.disconnectContainer(container.id, { id: found.id, name: found.name });
      return empty(200);
    }),
    route('DELETE', '/networks/{id}', async (call) => {
      await remove(c, findNetwork(await allNetworks(c), ref(call), ''));
      return empty(204);
    }),
  ];
}

async function list(c: RouteContext, call: Call): Promise<Reply> {
  const filters = parseFilters(call.query, FILTERS);
  checkWords(filters, 'type', ['builtin', 'custom']);
  const all = await allNetworks(c);
  const used = filters.has('dangling') ? await usedNetworks(c) : new Set<string>();
  const wanted = all.filter((n) => isWanted(n, filters, used));
  return json(wanted.map((n) => ({ ...familiesFor(call, n), ...n.json() })));
}

/** Clients of before know that every network has addresses of IPv4. */
function familiesFor(call: Call, { network }: KnownNetwork): Readonly<Record<string, boolean>> {
  const [, minor] = call.apiVersion;
  return minor >= SINCE.gatewayPriority ? { EnableIPv4: !network?.spec?.ipv4Disabled } : {};
}

async function allNetworks({ backend }: RouteContext): Promise<readonly KnownNetwork[]> {
  const { bridge } = backend.node;
  const there = Object.values(builtinNetworks).filter((n) => bridge || n !== builtinNetworks.bridge);
  const builtin = there.map((n): KnownNetwork => {
    const json = (containers?: readonly ContainerSummary[]) => builtinNetworkJson(n, bridge, containers);
    return { ...n, kind: 'builtin', scope: 'local', json };
  });
  return [...builtin, ...(await userNetworks(backend)).map(known)];
}

function known({ network, scope }: UserNetwork): KnownNetwork {
  const name = network.spec?.annotations?.name ?? '';
  const json = (containers?: readonly ContainerSummary[]) => networkJson(network, scope, containers);
  return { id: network.id, name, kind: scope, scope, driver: networkDriver(network), network, json };
}

function isWanted(n: KnownNetwork, filters: FilterArgs, used: ReadonlySet<string>): boolean {
  const dangling = booleanFilter(filters, 'dangling');
  const isDangling = n.kind !== 'builtin' && !used.has(n.id);
  return (
    (dangling === undefined || dangling === isDangling) &&
    accepts(filters, 'id', (v) => n.id.startsWith(v)) &&
    acceptsName(filters, n.name) &&
    accepts(filters, 'driver', (v) => n.driver === v) &&
    accepts(filters, 'scope', (v) => n.scope === v) &&
    accepts(filters, 'type', (v) => (v === 'builtin') === (n.kind === 'builtin')) &&
    acceptsLabels(filters, 'label', labelsOf(n))
  );
}

function labelsOf({ network }: KnownNetwork): Readonly<Record<string, string>> {
  return network?.spec?.annotations?.labels ?? {};
}

const joinedIds = (c: ContainerSummary) => c.networks.filter((n) => n.endpointId !== '').map((n) => n.id);

/** Ids (and, from specs, names) of networks that a container of this node or a service is on. */
async function usedNetworks({ backend }: RouteContext): Promise<ReadonlySet<string>> {
  const used = new Set((await backend.node.containers()).flatMap((c) => joinedIds(c)));
  try {
    for (const { service } of await backend.swarm.services({ withCounts: false })) {
      for (const n of service.spec?.task?.networks ?? []) used.add(n.target);
    }
  } catch (e) {
    if (!isSwarmtsError(e, ...NO_ANSWER)) throw e;
  }
  return used;
}

/** By id, name or unique prefix of an id. Services know the node's own networks by their names: scope "swarm" gives those. */
function findNetwork(all: readonly KnownNetwork[], ref: string, scope: string): KnownNetwork {
  const builtin = all.find((n) => n.kind === 'builtin' && n.name === ref);
  if (builtin && scope === 'swarm') {
    return { ...builtin, json: (containers) => ({ ...builtin.json(containers), Id: builtin.name, Scope: 'swarm' }) };
  }
  const list = scope === '' ? all : all.filter((n) => n.scope === scope);
  const found =
    list.find((n) => n.id === ref) ??
    list.find((n) => n.name === ref) ??
    only(list.filter((n) => ref !== '' && n.id.startsWith(ref)));
  if (found === undefined) throw new SwarmtsError('not-found', `network ${ref} not found`);
  return found;
}

/** A worker does not know the networks of the swarm: it asks for them by the name that was given. */
async function reachable(c: RouteContext, ref: string): Promise<Pick<KnownNetwork, 'id' | 'name'>> {
  try {
    return findNetwork(await allNetworks(c), ref, '');
  } catch (e) {
    if (!isSwarmtsError(e, 'not-found') || findBuiltinNetwork(ref)) throw e;
    return { id: ref, name: ref };
  }
}

/** Whether a container has the host's network, or none, is decided when it is made. Docker's words. */
function refuseHostAndNone(ref: string): void {
  const name = findBuiltinNetwork(ref)?.name;
  if (name === undefined || name === builtinNetworks.bridge.name) return;
  const why =
    name === 'host'
      ? 'container cannot be disconnected from host network or connected to host network'
      : 'container cannot be connected to multiple networks with one of the networks in private (none) mode';
  throw new SwarmtsError('permission-denied', why);
}

async function create(c: RouteContext, body: JsonObject, version: ApiVersion): Promise<NetworkJson> {
  const driver = body.string('Driver');
  const scope = body.string('Scope');
  if (!['', 'local', 'swarm'].includes(scope))
    throw new SwarmtsError('invalid-argument', `invalid scope ${JSON.stringify(scope)}: use local or swarm as --scope`);
  const spec = readNetworkSpec(body, version);
  const name = spec.annotations?.name ?? '';
  if (PREDEFINED.has(name)) {
    throw new SwarmtsError('permission-denied', `operation is not permitted on predefined ${name} network`);
  }
  checkDriver(driver || 'bridge', scope, spec);
  const ofSwarm = !spec.configOnly && (driver === 'overlay' || scope === 'swarm');
  if (ofSwarm && spec.ipv4Disabled) {
    throw new SwarmtsError('invalid-argument', 'IPv4 cannot be disabled in a Swarm scoped network');
  }
  if (spec.configOnly && scope !== '') throw operatorFields();
  if (spec.configOnly && driver === 'overlay') {
    throw new SwarmtsError(
      'invalid-argument',
      '--config-only is for networks of one node, and overlay networks are of the whole swarm: leave out --config-only, or use --driver bridge or macvlan',
    );
  }
  if ((await allNetworks(c)).some((n) => n.name === name))
    throw new SwarmtsError('already-exists', `network with name ${name} already exists`);
  const id = await (ofSwarm
    ? c.backend.swarm.createNetwork(spec)
    : c.backend.node.createLocalNetwork({
        ...spec,
        driver: { name: driver || 'bridge', options: body.map('Options') },
      }));
  return { Id: id, Warning: NAME in (spec.driver?.options ?? {}) ? NO_DEVICE : '' };
}

/** In the words of Docker. */
function checkDriver(driver: string, scope: string, spec: NetworkSpec): void {
  if (driver === 'host' || driver === 'null')
    throw new SwarmtsError('permission-denied', `only one instance of "${driver}" network is allowed`);
  if (driver === 'overlay' && scope === 'local')
    throw new SwarmtsError('permission-denied', 'cannot downgrade network scope for overlay networks');
  if (spec.ingress && driver !== 'overlay')
    throw new SwarmtsError('permission-denied', 'Ingress network can only be global scope network');
  const ipam = spec.ipam?.driver?.name ?? '';
  if (!['', 'default'].includes(ipam)) throw new SwarmtsError('not-found', `plugin "${ipam}" not found`);
  if (driver === 'bridge') checkBridgeOptions(spec.driver?.options ?? {});
}

/** Go's words, which Docker's daemon passes on. */
function checkBridgeOptions(options: Readonly<Record<string, string>>): void {
  const wrong = (name: string, why: string) => {
    const text = options[name] ?? '';
    const reason = `${why}: parsing ${JSON.stringify(text)}: invalid syntax`;
    return new SwarmtsError('invalid-argument', `failed to parse ${name} value: ${text} (strconv.${reason})`);
  };
  for (const name of BRIDGE_FLAGS)
    if (name in options && !/^(1|0|t|f|true|false)$/i.test(options[name] ?? '')) throw wrong(name, 'ParseBool');
  if (MTU_OPTION in options && !/^\d+$/.test(options[MTU_OPTION] ?? '')) throw wrong(MTU_OPTION, 'Atoi');
}

function operatorFields(): SwarmtsError {
  const fields = '[ ingress | internal | attachable | scope ]';
  return new SwarmtsError(
    'permission-denied',
    `configuration network can only contain network specific fields. Network operator fields like ${fields} are not supported.`,
  );
}

async function remove(c: RouteContext, n: KnownNetwork): Promise<void> {
  if (n.kind === 'builtin') {
    throw new SwarmtsError('permission-denied', `${n.name} is a pre-defined network and cannot be removed`);
  }
  if (n.kind === 'local') await c.backend.node.removeLocalNetwork(n.id);
  else await c.backend.swarm.removeNetwork(n.id);
}

/** Networks that nobody is on; what cannot be removed after all is left. */
async function prune(c: RouteContext, query: URLSearchParams): Promise<readonly string[]> {
  const filters = parseFilters(query, ['until', 'label', 'label!']);
  const untilMs = untilOf(filters, c.now());
  const used = await usedNetworks(c);
  const deleted: string[] = [];
  for (const n of await allNetworks(c)) {
    const isUsed = used.has(n.id) || used.has(n.name) || n.network?.spec?.ingress === true;
    const isOld = (n.network?.meta?.createdAtMs ?? 0) <= untilMs;
    if (n.kind === 'builtin' || isUsed || !isOld || !acceptsPrunedLabels(filters, labelsOf(n))) continue;
    try {
      await remove(c, n);
      deleted.push(n.name);
    } catch (e) {
      if (!isSwarmtsError(e, 'failed-precondition', 'permission-denied', 'not-found', ...NO_ANSWER)) throw e;
    }
  }
  c.pruned('network', 0);
  return deleted;
}

function only<T>(list: readonly T[]): T | undefined {
  return list.length === 1 ? list[0] : undefined;
}
