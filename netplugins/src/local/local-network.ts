/**
 * The node's local network ("bridge" to Docker's clients): every container on it reaches the others, the host, and the
 * outside through masquerading, and publishes ports on the host. It routes instead of bridging. What it knows is a function of
 * the endpoints that it handed out, so after a restart `restore` is all it needs; each change is one nftables transaction.
 */
import { asSwarmtsError, type Logger, messageOf, SwarmtsError, silentLogger, together } from '@swarmts/lib';
import { LeftDevices } from '../left-devices.js';
import type { ConnectionFilter, LocalAttachmentSpec, NetExecutor } from '../net-executor.js';
import { type BridgeSubnet, bridgeSubnet } from './bridge-subnet.js';
import { ForeignForward } from './foreign-forward.js';
import { Ipv6Ports, type Ipv6Publishing } from './ipv6-ports.js';
import { type LegWish, type LocalLeg, legOf } from './local-leg.js';
import { probeByBinding } from './port-probe.js';
import { type MeshOwner, type PortProbe, type PortRequest, PortTable, type PublishedPort } from './ports.js';
import {
  elementDocument,
  elementsOf,
  elementsWithout,
  type LinkedPort,
  parseListing,
  type RulesetOptions,
  removalDocument,
  sameElements,
  tableDocument,
} from './ruleset.js';

export const DEFAULT_SUBNET = '172.30.0.0/16';
const DEFAULT_TABLE = 'swarmts';
/** Names of the host's ends of legs begin with it. */
export const LOCAL_LEG_PREFIX = 'swl';
const DEFAULT_MTU = 1500;

export interface LocalAttachOptions extends LegWish {
  readonly netns: string;
  readonly sysctls?: Readonly<Record<string, string>>;
}

/** Called with what an endpoint comes to, while that is being made. */
type Beside = (planned: LocalEndpoint) => Promise<void>;

export interface LocalNetworkOptions {
  /** The gateway's address with the length of the prefix, or the subnet's own. */
  readonly subnet?: string;
  /** Part of the subnet that containers get addresses of. */
  readonly fixedCidr?: string;
  /** Whether containers reach each other (default). */
  readonly icc?: boolean;
  readonly table?: string;
  readonly ifacePrefix?: string;
  readonly mtu?: number;
  readonly probe?: PortProbe;
  /** Absent: there is no routing mesh. */
  readonly meshOwner?: MeshOwner;
  readonly logger?: Logger;
  /** Absent: ports are published on IPv4 addresses alone. */
  readonly ipv6?: Ipv6Publishing;
}

/** A container's place in the network: plain data, to be kept with the container and given to `restore`. */
export interface LocalEndpoint extends LocalLeg {
  readonly containerId: string;
  readonly netns: string;
  readonly address: string;
  readonly prefixLength: number;
  readonly gateway: string;
  readonly mtu: number;
  readonly ports: readonly PublishedPort[];
  /** Reached also where containers do not reach each other. */
  readonly links?: readonly LinkedPort[];
  /** While the leg is being made in a container that runs: the interface that it takes the place of, '' for none. */
  readonly replaces?: string;
}

export interface RejectedEndpoint {
  readonly endpoint: LocalEndpoint;
  readonly error: SwarmtsError;
}

export class LocalNetwork {
  readonly #executor: NetExecutor;
  readonly #logger: Logger;
  readonly #subnet: BridgeSubnet;
  readonly #ports: PortTable;
  readonly #ipv6: Ipv6Ports;
  readonly #ruleset: RulesetOptions;
  readonly #mtu: number;
  readonly #foreign: ForeignForward;
  readonly #left: LeftDevices;
  readonly #endpoints = new Map<string, LocalEndpoint>();
  /** Layout of the table as the kernel listed it right after we had written it. */
  #layout = '';
  /** Changes of the rules happen one after the other. */
  #changes: Promise<unknown> = Promise.resolve();

  constructor(executor: NetExecutor, options: LocalNetworkOptions = {}) {
    this.#executor = executor;
    this.#logger = options.logger ?? silentLogger;
    this.#subnet = bridgeSubnet(options.subnet ?? DEFAULT_SUBNET, options.fixedCidr);
    this.#left = new LeftDevices((netns, iface) => executor.detachDevice(netns, iface), this.#logger);
    this.#ipv6 = new Ipv6Ports(options.ipv6, this.#logger);
    this.#ports = new PortTable(options.probe ?? probeByBinding, options.ipv6?.isAvailable, options.meshOwner);
    this.#mtu = options.mtu ?? DEFAULT_MTU;
    this.#ruleset = {
      table: options.table ?? DEFAULT_TABLE,
      subnet: this.#subnet.cidr,
      icc: options.icc ?? true,
      ifacePrefix: options.ifacePrefix ?? LOCAL_LEG_PREFIX,
    };
    const { table, ifacePrefix } = this.#ruleset;
    this.#foreign = new ForeignForward({
      executor,
      isOurs: (name) => name === table || name.startsWith(`${table}-`),
      ifacePrefix,
      comment: `${table}: containers`,
      logger: this.#logger,
    });
  }

  get gateway(): string {
    return this.#subnet.gateway;
  }

  get subnet(): string {
    return this.#subnet.cidr;
  }

  get mtu(): number {
    return this.#mtu;
  }

  /** No container needs the network. */
  get isEmpty(): boolean {
    return this.#endpoints.size === 0;
  }

  endpoint(containerId: string): LocalEndpoint | undefined {
    return this.#endpoints.get(containerId);
  }

  /**
   * Takes up the endpoints that are alive (none on a fresh node) and writes the rules. Call it
   * once, before anything else. Connections that are established go on. Endpoints that cannot be taken up (the subnet was
   * changed, or an address or port has another owner) come back: their containers must be replaced.
   */
  async restore(endpoints: readonly LocalEndpoint[]): Promise<readonly RejectedEndpoint[]> {
    const rejected: RejectedEndpoint[] = [];
    for (const endpoint of endpoints) {
      try {
        this.#adopt(endpoint);
      } catch (e) {
        this.#logger.warn('an endpoint cannot be taken up', { containerId: endpoint.containerId, error: e });
        rejected.push({ endpoint, error: asSwarmtsError(e) });
      }
    }
    await this.#change(async () => {
      await this.#writeTable();
      await this.#foreign.open();
      await this.#ipv6.setAll(this.#endpoints.values());
    });
    await this.#finishLegs();
    return rejected;
  }

  /** Gives a container its namespace, address and routes. Repeating it repairs what is missing. */
  async attach(containerId: string, options: LocalAttachOptions, beside?: Beside): Promise<LocalEndpoint> {
    const known = this.#endpoints.get(containerId);
    if (known !== undefined && known.netns !== options.netns) {
      throw new SwarmtsError('conflict', `container ${containerId} is attached with namespace ${known.netns}`);
    }
    const endpoint = known ?? this.#newEndpoint(containerId, options);
    this.#left.keep(endpoint.netns, endpoint.containerIface);
    this.#endpoints.set(containerId, endpoint);
    const spec = specOf(endpoint);
    try {
      const { sysctls } = options;
      const made = this.#executor.attachLocal(sysctls === undefined ? spec : { ...spec, sysctls });
      await together(made, beside?.({ ...endpoint, replaces: '' }));
    } catch (e) {
      if (known === undefined) await this.#takeBack(endpoint, beside !== undefined);
      throw e;
    }
    return endpoint;
  }

  /**
   * Gives an attached container another leg in the place of the one that it has. Address and ports stay, and connections go on. When it
   * fails the old leg is there.
   */
  async move(containerId: string, wish: LegWish, beside: Beside): Promise<LocalEndpoint> {
    const before = this.#require(containerId);
    const leg = legOf(this.#ruleset.ifacePrefix, containerId, before.address, wish);
    const after = { ...before, ...leg };
    try {
      await together(this.#exchange(before, after), beside({ ...after, replaces: before.containerIface }));
    } catch (e) {
      await this.#exchange(after, before).catch((left: unknown) => {
        this.#logger.warn('a container has not got its leg back yet', { containerId, error: messageOf(left) });
        this.#endpoints.set(containerId, { ...this.#require(containerId), replaces: after.containerIface });
      });
      throw e;
    }
    const moved = { ...this.#require(containerId), ...leg };
    this.#endpoints.set(containerId, moved);
    return moved;
  }

  /** `inUse`: the namespace stays, with what else is in it. */
  async #takeBack(endpoint: LocalEndpoint, inUse: boolean): Promise<void> {
    if (!inUse) return this.#forget(endpoint);
    const { containerId, netns, containerIface } = endpoint;
    this.#endpoints.delete(containerId);
    await this.#left.remove(netns, containerIface, () => {
      if (!this.#endpoints.has(containerId)) this.#subnet.pool.release(containerId);
    });
  }

  async #exchange(old: LocalEndpoint, fresh: LocalEndpoint): Promise<void> {
    await this.#executor.attachLocal(specOf(fresh));
    if (old.containerIface !== fresh.containerIface) {
      await this.#executor.detachDevice(old.netns, old.containerIface);
    }
  }

  /**
   * What was being made when the process ended that made it, or when the helper was away. The container may have ended as well since;
   * what cannot be finished is tried again by the next repair.
   */
  async #finishLegs(): Promise<void> {
    for (const endpoint of [...this.#endpoints.values()]) {
      const { replaces, containerId, netns } = endpoint;
      if (replaces === undefined) continue;
      try {
        await this.#executor.attachLocal(specOf(endpoint));
        if (replaces !== '') await this.#executor.detachDevice(netns, replaces);
      } catch (e) {
        this.#logger.warn('a leg that was being made cannot be finished yet', { containerId, error: e });
        continue;
      }
      const { replaces: _finished, ...whole } = this.#endpoints.get(containerId) ?? endpoint;
      if (this.#endpoints.has(containerId)) this.#endpoints.set(containerId, whole);
    }
  }

  /** Takes the leg off a container that goes on in its namespace, and its ports back. */
  async leave(containerId: string): Promise<void> {
    const { netns, containerIface } = this.#require(containerId);
    await this.unpublish(containerId);
    await this.link(containerId, []);
    await this.#executor.detachDevice(netns, containerIface);
    this.#forget(this.#require(containerId));
  }

  /** As `leave`, for a leg that was made for nothing: what cannot be done now is done by the next repair. */
  async discard(containerId: string): Promise<void> {
    try {
      await this.unpublish(containerId);
      await this.link(containerId, []);
    } catch (e) {
      this.#logger.warn('ports of a container are not withdrawn yet', { containerId, error: messageOf(e) });
    }
    const endpoint = this.#require(containerId);
    this.#ports.release(endpoint.ports);
    await this.#takeBack(endpoint, true);
  }

  /** Withdraws the container's ports, drops its namespace and frees its address. An unknown container is no error. */
  async detach(containerId: string): Promise<void> {
    const endpoint = this.#endpoints.get(containerId);
    if (endpoint === undefined) return;
    await this.unpublish(containerId);
    await this.link(containerId, []);
    await this.#executor.detachLocal(endpoint.netns);
    this.#forget(endpoint);
  }

  /** Publishes ports of an attached container, all or none. 'port-conflict' when one is taken. */
  async publish(containerId: string, requests: readonly PortRequest[]): Promise<readonly PublishedPort[]> {
    this.#require(containerId);
    const ports = await this.#ports.reserve(containerId, requests);
    try {
      await this.#change(async () => {
        const endpoint = this.#require(containerId);
        const published = { ...endpoint, ports: [...endpoint.ports, ...ports] };
        await this.#replace(endpoint, published);
        const refused = await this.#ipv6.change(endpoint, published);
        if (refused === undefined) return;
        await this.#replace(published, endpoint);
        await this.#ipv6.change(published, endpoint);
        throw new SwarmtsError('port-conflict', `cannot publish ${refused}`);
      });
    } catch (e) {
      // Those that could not be withdrawn again go with the container.
      const kept = this.#endpoints.get(containerId)?.ports ?? [];
      this.#ports.release(ports.filter((p) => !kept.includes(p)));
      throw e;
    }
    // A client that has been sending keeps the verdict of its first packet: let it see the new port. SCTP's come from one port, often.
    for (const { protocol, publishedPort } of ports) {
      if (protocol !== 'tcp') await this.#flush({ protocol, destinationPort: publishedPort });
    }
    return ports;
  }

  /** From now on these ports of others, and only these, are open to the container where containers do not reach each other. */
  async link(containerId: string, links: readonly LinkedPort[]): Promise<void> {
    await this.#change(async () => {
      const endpoint = this.#require(containerId);
      await this.#replace(endpoint, { ...endpoint, links });
    });
  }

  /** Takes all ports of a container back. Unknown containers and those without ports are no error. */
  async unpublish(containerId: string): Promise<void> {
    await this.#change(async () => {
      const endpoint = this.#endpoints.get(containerId);
      if (endpoint === undefined || endpoint.ports.length === 0) return;
      const withdrawn = { ...endpoint, ports: [] };
      await this.#replace(endpoint, withdrawn);
      await this.#ipv6.change(endpoint, withdrawn);
      this.#ports.release(endpoint.ports);
      // Flows that the old rules sent to this container would go on to whoever gets its address next.
      if (endpoint.ports.some((p) => p.protocol !== 'tcp')) await this.#flush({ backend: endpoint.address });
    });
  }

  /** Compares the kernel's rules and legs with what they should be and makes them anew if they differ. True when it had to. */
  async repair(): Promise<boolean> {
    await this.#left.retry();
    await this.#finishLegs();
    const legs = await this.#repairLegs();
    return await this.#change(async () => {
      const fits = await this.#tableFits();
      if (!fits) {
        this.#logger.warn('the rules of the local network were changed by somebody else: written again', {
          table: this.#ruleset.table,
        });
        await this.#writeTable();
      }
      await this.#ipv6.setAll(this.#endpoints.values());
      return (await this.#foreign.open()) || !fits || legs;
    });
  }

  /** A leg that was deleted or is down has lost its route; others may have other settings than they were made with. */
  async #repairLegs(): Promise<boolean> {
    if (this.isEmpty) return false;
    await this.#executor.requireForwarding();
    const sound = new Map((await this.#executor.soundLegs()).map((l) => [l.address, l.mtu]));
    let repaired = false;
    for (const endpoint of [...this.#endpoints.values()].filter((e) => sound.get(e.address) !== e.mtu)) {
      if (!(await this.#executor.repairLocal(specOf(endpoint)))) continue;
      this.#logger.warn('a leg was not as it was made, and is again', { leg: endpoint.hostIface });
      repaired = true;
    }
    return repaired;
  }

  /** Drops every namespace, the table and the rules in foreign chains. */
  async teardown(): Promise<void> {
    for (const endpoint of [...this.#endpoints.values()]) {
      await this.#executor.detachLocal(endpoint.netns);
      this.#ports.release(endpoint.ports);
      this.#forget(endpoint);
    }
    await this.#change(async () => {
      await this.#ipv6.setAll(this.#endpoints.values());
      await this.#executor.nft(removalDocument(this.#ruleset.table));
      await this.#foreign.close();
    });
  }

  #adopt(endpoint: LocalEndpoint): void {
    this.#subnet.pool.claim(endpoint.containerId, endpoint.address);
    try {
      this.#ports.adopt(endpoint.containerId, endpoint.ports);
    } catch (e) {
      this.#subnet.pool.release(endpoint.containerId);
      throw e;
    }
    this.#endpoints.set(endpoint.containerId, endpoint);
  }

  /** Best effort: the rules themselves are in force already. */
  async #flush(filter: ConnectionFilter): Promise<void> {
    try {
      await this.#executor.flushConnections(filter);
    } catch (e) {
      this.#logger.warn('tracked connections could not be flushed', { ...filter, error: e });
    }
  }

  #newEndpoint(containerId: string, options: LocalAttachOptions): LocalEndpoint {
    const address = this.#subnet.pool.allocate(containerId);
    return {
      containerId,
      netns: options.netns,
      ...legOf(this.#ruleset.ifacePrefix, containerId, address, options),
      address,
      prefixLength: this.#subnet.prefixLength,
      gateway: this.#subnet.gateway,
      mtu: this.#mtu,
      ports: [],
    };
  }

  #forget(endpoint: LocalEndpoint): void {
    this.#endpoints.delete(endpoint.containerId);
    this.#subnet.pool.release(endpoint.containerId);
  }

  #require(containerId: string): LocalEndpoint {
    const endpoint = this.#endpoints.get(containerId);
    if (endpoint === undefined) {
      throw new SwarmtsError('not-found', `container ${containerId} is not attached to the local network`);
    }
    return endpoint;
  }

  /** Runs changes one after the other; a failed one does not stop the next. */
  #change<T>(fn: () => Promise<T>): Promise<T> {
    const result = this.#changes.then(fn);
    this.#changes = result.catch(() => undefined);
    return result;
  }

  async #writeTable(): Promise<void> {
    const document = tableDocument(this.#ruleset, elementsOf([...this.#endpoints.values()]));
    try {
      await this.#executor.nft(document);
    } catch (e) {
      // Something in our table has another type than ours: an older release's layout, or a stranger's.
      this.#logger.warn('the table has another layout and is replaced', { table: this.#ruleset.table, error: e });
      await this.#executor.nft(removalDocument(this.#ruleset.table) + document);
    }
    this.#layout = parseListing(await this.#executor.nftList(this.#listCommand)).layout;
  }

  async #tableFits(): Promise<boolean> {
    let listing: string;
    try {
      listing = await this.#executor.nftList(this.#listCommand);
    } catch (e) {
      this.#logger.debug('the table cannot be listed', { error: e });
      return false;
    }
    const { layout, elements } = parseListing(listing);
    return layout === this.#layout && sameElements(elements, elementsOf([...this.#endpoints.values()]));
  }

  /** What a container publishes and what it is linked to, from now on: one transaction of what differs; a table that was flushed is written anew. */
  async #replace(before: LocalEndpoint, after: LocalEndpoint): Promise<void> {
    const [was, is] = [elementsOf([before]), elementsOf([after])];
    const { table } = this.#ruleset;
    const gone = elementDocument('delete', table, elementsWithout(was, is));
    const added = elementDocument('add', table, elementsWithout(is, was));
    try {
      if (gone !== '' || added !== '') await this.#executor.nft(gone + added);
      this.#endpoints.set(after.containerId, after);
    } catch (e) {
      if (gone === '' && (await this.#tableFits())) throw e;
      this.#logger.warn('rules of a container were gone before they were changed', { error: e });
      this.#endpoints.set(after.containerId, after);
      await this.#writeTable().catch((failed: unknown) => {
        this.#endpoints.set(before.containerId, before);
        throw failed;
      });
    }
  }

  get #listCommand(): string {
    return `list table inet ${this.#ruleset.table}`;
  }
}

function specOf(endpoint: LocalEndpoint): LocalAttachmentSpec {
  const { containerId: _id, ports: _ports, links: _links, replaces: _replaces, ...spec } = endpoint;
  return spec;
}
