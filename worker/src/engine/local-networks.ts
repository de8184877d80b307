/**
 * Networks that users make on one node (driver bridge): kept on disk, with addresses of their own. They are routers like those of
 * the swarm's networks, without a way to other nodes. Who is on them is derived from the containers that run.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import {
  allocateAddresses,
  type Clock,
  checkSubnets,
  firstFreePrefix,
  fixedSubnets,
  formatIpPrefix,
  type IpPrefix,
  isSwarmtsError,
  type Logger,
  parseIp,
  parseIpPrefix,
  prefixContains,
  SerialLock,
  SubnetPool,
  SwarmtsError,
  sweepUnfinished,
  withGateway,
  writeFileAtomic,
} from '@swarmts/lib';
import { macvlanOf, type RoutedAttachment, type RoutedNetworks } from '@swarmts/netplugins';
import {
  Driver,
  IpamConfig,
  IpamOptions,
  isNodeLocal,
  Meta,
  mtuProblem,
  Network,
  NetworkAttachment,
  NetworkEndpoint,
  type NetworkSpec,
  NetworkState,
  networkDriver,
} from '@swarmts/proto';
import { checkBridgeOptions } from './bridge-options.js';
import type { NetworkWish } from './container-config.js';
import type { EngineEvent } from './engine-api.js';
import { EngineEvents } from './events.js';
import { endpointIdOf } from './joined-networks.js';
import { configured } from './network-configuration.js';
import type { ContainerNames, NodeEndpointSource, ObtainedEndpoint } from './node-container-network.js';
import { networkEvent } from './use-events.js';

/** Where subnets of `bits` are taken from for networks without a wish. */
export interface AddressPool {
  readonly base: string;
  readonly bits: number;
  readonly leftOut?: readonly string[];
}

const LOCAL_ID_BYTES = 32;

/** Docker's: large ones first. */
const POOLS: readonly AddressPool[] = [
  { base: '172.16.0.0/12', bits: 16, leftOut: ['172.16.0.0/16'] },
  { base: '192.168.0.0/16', bits: 20 },
];

/** Unique local prefix of networks of one node; those of the swarm have another one. */
const IPV6_POOLS: readonly AddressPool[] = [{ base: 'fd5a:7274::/48', bits: 64 }];

export interface LocalNetworksOptions {
  readonly dir: string;
  readonly routed: Pick<RoutedNetworks, 'apply'>;
  /** Subnets that the node uses otherwise. */
  readonly taken: readonly string[];
  /** Default: Docker's. Pools of IPv6 are for networks with both. */
  readonly pools?: readonly AddressPool[];
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Entry {
  readonly network: Network;
  readonly pools: readonly SubnetPool[];
  readonly endpoints: Map<string, NetworkEndpoint>;
}

export class LocalNetworks implements NodeEndpointSource {
  readonly #o: LocalNetworksOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #events: EngineEvents;
  readonly #creations = new SerialLock();

  private constructor(options: LocalNetworksOptions) {
    this.#o = options;
    this.#events = new EngineEvents(options.logger);
  }

  static async open(options: LocalNetworksOptions): Promise<LocalNetworks> {
    const networks = new LocalNetworks(options);
    await mkdir(options.dir, { recursive: true, mode: 0o700 });
    sweepUnfinished(options.dir);
    for (const file of await readdir(options.dir)) {
      if (!file.endsWith('.bin')) continue;
      networks.#put(Network.decode(await readFile(join(options.dir, file))));
    }
    return networks;
  }

  /** Those that users have made on this node. */
  list(): readonly Network[] {
    return this.#networks().filter((n) => !isOfSwarm(n));
  }

  /** With those of the swarm that containers of this node are on. */
  #networks(): readonly Network[] {
    return [...this.#entries.values()].map((e) => e.network);
  }

  /** By id, name or unique prefix of an id. */
  find(ref: string): Network | undefined {
    const all = this.list();
    const byPrefix = all.filter((n) => ref !== '' && n.id.startsWith(ref));
    return (
      all.find((n) => n.id === ref) ??
      all.find((n) => n.spec?.annotations?.name === ref) ??
      (byPrefix.length === 1 ? byPrefix[0] : undefined)
    );
  }

  /** One after the other, so that each has a name and a subnet that no other one has. */
  create(wish: NetworkSpec): Promise<string> {
    return this.#creations.run(() => this.#create(wish));
  }

  async #create(wish: NetworkSpec): Promise<string> {
    const nowMs = this.#o.clock.now();
    const meta = Meta.create({ createdAtMs: nowMs, updatedAtMs: nowMs });
    const network = this.#made(wish, randomBytes(LOCAL_ID_BYTES).toString('hex'), meta);
    await writeFileAtomic(this.#file(network.id), Network.encode(network));
    this.#put(network);
    this.#emit('create', network);
    return network.id;
  }

  /** What a wish comes to on this node: with the settings of another network where it names one, and with subnets. */
  #made(wish: NetworkSpec, id: string, meta: Meta | undefined): Network {
    const spec = configured(wish, (ref) => this.find(ref));
    const name = spec.annotations?.name ?? '';
    const driver = spec.driver?.name || 'bridge';
    if (driver !== 'bridge' && driver !== 'macvlan') {
      throw new SwarmtsError(
        'unsupported',
        `networks of driver ${driver} are not supported by this release of swarmts: use bridge, macvlan or overlay`,
      );
    }
    if (driver === 'macvlan' && !spec.configOnly && !spec.driver?.options.parent) {
      throw new SwarmtsError(
        'invalid-argument',
        `macvlan network ${name} needs a device of the node: -o parent=DEVICE`,
      );
    }
    if (driver === 'bridge' && !spec.configOnly) checkBridgeOptions(spec.driver?.options ?? {}, spec.internal);
    if (name.trim() === '') throw new SwarmtsError('invalid-argument', 'invalid name: name is empty');
    const mtu = mtuProblem(spec);
    if (mtu !== undefined) throw new SwarmtsError('invalid-argument', mtu);
    if (this.list().some((n) => n.spec?.annotations?.name === name)) {
      throw new SwarmtsError('already-exists', `network with name ${name} already exists`);
    }
    const network = Network.create({
      id,
      meta,
      spec,
      driverState: Driver.create({ name: driver, options: spec.driver?.options ?? {} }),
      ipam: IpamOptions.create({
        driver: Driver.create({ name: 'default', options: spec.ipam?.driver?.options ?? {} }),
        configs: this.#subnets(spec),
      }),
    });
    macvlanOf(network);
    return network;
  }

  /** Synchronous notification of networks that are made and removed; returns the unsubscribe function. */
  onEvent(listener: (e: EngineEvent) => void): () => void {
    return this.#events.on(listener);
  }

  async remove(id: string): Promise<void> {
    const entry = this.#entry(id);
    const name = entry.network.spec?.annotations?.name ?? '';
    if (entry.network.spec?.configOnly && this.#networks().some((n) => [id, name].includes(n.spec?.configFrom ?? ''))) {
      throw new SwarmtsError('permission-denied', `configuration network "${name}" is in use`);
    }
    if (entry.endpoints.size > 0) {
      const names = [...entry.endpoints.values()].map((e) => e.name).join(', ');
      throw new SwarmtsError(
        'permission-denied',
        `error while removing network: network ${entry.network.spec?.annotations?.name} has active endpoints (${names})`,
      );
    }
    // Nobody joins it any more.
    this.#entries.delete(id);
    try {
      await rm(this.#file(id), { force: true });
    } catch (e) {
      this.#entries.set(id, entry);
      throw e;
    }
    this.#o.routed.apply({ complete: false, networks: [], removedNetworkIds: [id], dataPathPort: 0 });
    this.#emit('destroy', entry.network);
  }

  #emit(action: string, network: Network): void {
    const { id, spec } = network;
    const named = { id, name: spec?.annotations?.name ?? '', driver: networkDriver(network) };
    this.#events.emit({ ...networkEvent(action, named), timeMs: this.#o.clock.now() });
  }

  async obtain(wish: NetworkWish, container: ContainerNames): Promise<ObtainedEndpoint> {
    const network = this.find(wish.target);
    if (!network) throw new SwarmtsError('not-found', `network ${wish.target} not found`);
    if (network.spec?.configOnly) {
      throw new SwarmtsError(
        'permission-denied',
        `network ${wish.target} is a configuration network: no container can be on it`,
      );
    }
    return this.#endpointFor(this.#entry(network.id), endpointIdOf(network.id, container.id), wish, container);
  }

  /** A place on a network of the swarm that each node makes for itself, here when the first container comes. */
  place(
    network: Network,
    wish: NetworkWish,
    container: ContainerNames,
    endpointId = endpointIdOf(network.id, container.id),
  ): Promise<ObtainedEndpoint> {
    return this.#creations.run(async () => {
      if (!this.#entries.has(network.id) && network.spec) {
        this.#put(this.#made(network.spec, network.id, network.meta));
      }
      try {
        return this.#endpointFor(this.#entry(network.id), endpointId, wish, container);
      } catch (e) {
        this.#endUnused(network.id);
        throw e;
      }
    });
  }

  #endpointFor(
    entry: Entry,
    endpointId: string,
    wish: NetworkWish,
    container: { readonly name: string },
  ): ObtainedEndpoint {
    const { network } = entry;
    const addresses = addressesFor(entry.pools, endpointId, ofFamilies(entry.pools, wish.addresses));
    const attachment = NetworkAttachment.create({ network, addresses, aliases: wish.aliases });
    this.#setEndpoint(entry, endpointId, container.name, attachment);
    return { endpointId, attachment };
  }

  /** Takes up what a container had before a restart; not ours: nothing happens. */
  adopt(a: RoutedAttachment, containerName: string): void {
    if (isNodeLocal(a.network) && isOfSwarm(a.network) && !this.#entries.has(a.networkId)) this.#put(a.network);
    const entry = this.#entries.get(a.networkId);
    if (!entry) return;
    for (const { address } of a.leg.addresses) {
      entry.pools.find((p) => prefixContains(p.subnet, parseIp(address)))?.claim(a.endpointId, address);
    }
    const addresses = a.leg.addresses.map((x) => x.address);
    this.#setEndpoint(entry, a.endpointId, containerName, NetworkAttachment.create({ addresses, aliases: a.aliases }));
  }

  owns(endpointId: string): boolean {
    return [...this.#entries.values()].some((e) => e.endpoints.has(endpointId));
  }

  async giveBack(endpointId: string): Promise<void> {
    for (const entry of this.#entries.values()) {
      for (const pool of entry.pools) pool.release(endpointId);
      if (!entry.endpoints.delete(endpointId)) continue;
      this.#publish(entry);
      this.#endUnused(entry.network.id);
    }
  }

  /** A network of the swarm on which no container of this node is any more. */
  #endUnused(id: string): void {
    const entry = this.#entries.get(id);
    if (!entry || !isOfSwarm(entry.network) || entry.endpoints.size > 0) return;
    this.#entries.delete(id);
    this.#o.routed.apply({ complete: false, networks: [], removedNetworkIds: [id], dataPathPort: 0 });
  }

  async rename(endpointId: string, name: string): Promise<void> {
    for (const entry of this.#entries.values()) {
      const endpoint = entry.endpoints.get(endpointId);
      if (!endpoint) continue;
      entry.endpoints.set(endpointId, { ...endpoint, name });
      this.#publish(entry);
    }
  }

  #setEndpoint(entry: Entry, endpointId: string, name: string, a: NetworkAttachment): void {
    entry.endpoints.set(
      endpointId,
      NetworkEndpoint.create({
        taskId: endpointId,
        name,
        addresses: a.addresses.map((x) => x.split('/')[0] ?? x),
        aliases: a.aliases,
        ready: true,
      }),
    );
    this.#publish(entry);
  }

  #publish({ network, endpoints }: Entry): void {
    const state = NetworkState.create({
      networkId: network.id,
      complete: true,
      network,
      endpoints: [...endpoints.values()],
    });
    this.#o.routed.apply({ complete: false, networks: [state], removedNetworkIds: [], dataPathPort: 0 });
  }

  #put(network: Network): void {
    const configs = network.spec?.configOnly ? [] : (network.ipam?.configs ?? []);
    const pools = configs.map((c) => SubnetPool.of(c));
    this.#entries.set(network.id, { network, pools, endpoints: new Map() });
  }

  #subnets(spec: NetworkSpec): readonly IpamConfig[] {
    if (spec.configOnly) {
      checkSubnets(spec.ipam?.configs ?? [], spec.ipv6Enabled);
      return spec.ipam?.configs ?? [];
    }
    const taken = [
      ...this.#o.taken.map((t) => parseIpPrefix(t)),
      ...this.#networks()
        .filter((n) => !n.spec?.configOnly)
        .flatMap((n) => (n.ipam?.configs ?? []).map((c) => parseIpPrefix(c.subnet))),
    ];
    const wished = (spec.ipam?.configs ?? []).filter((c) => !spec.ipv4Disabled || c.subnet.includes(':'));
    const configs = [...fixedSubnets(wished, { ipv6: spec.ipv6Enabled, taken, overlap })];
    if (spec.driver?.name !== 'macvlan') refuseSeveral(configs);
    const families = new Set(configs.map((c) => parseIpPrefix(c.subnet).family));
    const pools = this.#o.pools ?? [];
    if (!families.has(4) && !spec.ipv4Disabled) {
      configs.unshift(freeSubnet(poolsOf(pools, 4, POOLS), [...taken, ...hostSubnets()]));
    }
    if (spec.ipv6Enabled && !families.has(6)) configs.push(freeSubnet(poolsOf(pools, 6, IPV6_POOLS), taken));
    return configs;
  }

  #entry(id: string): Entry {
    const entry = this.#entries.get(id);
    if (!entry) throw new SwarmtsError('not-found', `network ${id} not found`);
    return entry;
  }

  #file(id: string): string {
    return join(this.#o.dir, `${id}.bin`);
  }
}

/** Made for a network of the swarm, whose id is one of its managers': there as long as a container is on it. */
const isOfSwarm = ({ id }: Network): boolean => id.length !== LOCAL_ID_BYTES * 2;

/** As Docker: an IPv6 address on a network without IPv6 is not heeded. */
function ofFamilies(pools: readonly SubnetPool[], wishes: readonly string[]): readonly string[] {
  return wishes.filter((w) => isIP(w) !== 6 || pools.some((p) => p.subnet.family === 6));
}

function addressesFor(pools: readonly SubnetPool[], owner: string, wishes: readonly string[]): readonly string[] {
  try {
    return allocateAddresses(pools, owner, wishes);
  } catch (e) {
    if (!isSwarmtsError(e, 'conflict')) throw e;
    throw new SwarmtsError('permission-denied', 'Address already in use', { cause: e });
  }
}

function overlap(): SwarmtsError {
  const what = 'invalid pool request: Pool overlaps with other one on this address space';
  return new SwarmtsError('permission-denied', what);
}

/** A bridge has one subnet of each family. */
function refuseSeveral(configs: readonly IpamConfig[]): void {
  const families = configs.map((c) => parseIpPrefix(c.subnet).family);
  if (new Set(families).size === families.length) return;
  throw new SwarmtsError('permission-denied', "bridge driver doesn't support multiple subnets");
}

/** Those of the family, or else the usual ones. */
function poolsOf(given: readonly AddressPool[], family: 4 | 6, usual: readonly AddressPool[]): readonly AddressPool[] {
  const own = given.filter((p) => parseIpPrefix(p.base).family === family);
  return own.length > 0 ? own : usual;
}

function freeSubnet(pools: readonly AddressPool[], taken: readonly IpPrefix[]): IpamConfig {
  for (const { base, bits, leftOut = [] } of pools) {
    const inTheWay = [...taken, ...leftOut.map((text) => parseIpPrefix(text))];
    const found = firstFreePrefix(parseIpPrefix(base), bits, inTheWay);
    if (found) return withGateway(IpamConfig.create({ subnet: formatIpPrefix(found) }));
  }
  throw new SwarmtsError(
    'resource-exhausted',
    'all predefined address pools have been fully subnetted: remove networks, or give --subnet',
  );
}

/** What the host itself is connected to. */
function hostSubnets(): readonly IpPrefix[] {
  return Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).flatMap((a) => (a.cidr && a.family === 'IPv4' ? [parseIpPrefix(a.cidr)] : [])),
  );
}
