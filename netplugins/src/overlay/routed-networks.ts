/**
 * The swarm's networks on this node: keeps what the managers say of each, and brings routers, legs and rules in line with it, one
 * network at a time. Nothing is remembered that the managers or the kernel do not know, but the legs, which come back with their
 * containers. What others delete or flush is written again by `repair`.
 */
import { join } from 'node:path';
import { setImmediate as immediate } from 'node:timers/promises';
import {
  type Clock,
  isSwarmtsError,
  type Logger,
  messageOf,
  SerialLock,
  SwarmtsError,
  silentLogger,
  sleep,
  systemClock,
  together,
} from '@swarmts/lib';
import { type DataPathKey, isEncrypted, type Network, type NetworkState } from '@swarmts/proto';
import { LeftDevices } from '../left-devices.js';
import { EncryptedTunnels, NO_ENCRYPTION, type TunnelSituation } from './encrypted-tunnels.js';
import { type MeshPort, meshPorts } from './mesh-rules.js';
import { MeshUpkeep } from './mesh-upkeep.js';
import {
  applyState,
  isIngress,
  macvlanOf,
  type NetworkView,
  publishesPorts,
  stateOf,
  usesTunnels,
  vniOf,
} from './network-view.js';
import { type AttachOptions, attachmentTo, macvlanSpecOf, type RoutedAttachment } from './routed-attachment.js';
import { coreOf, routerOf } from './router-of-network.js';
import { routerRules } from './router-rules.js';
import type { EnsuredRouter, RouterExecutor, RouterSpec } from './router-spec.js';
import type { RuleSet } from './rule-set.js';
import { UnderlayMtu } from './underlay-mtu.js';
import { WrittenRules } from './written-rules.js';

const ROUTER_ATTEMPTS = 40;
const ROUTER_RETRY_MS = 50;
/** Beside the routers' namespaces, whose names are ids of networks. */
const TUNNELS_FILE = 'tunnels';

export interface RoutedNetworksOptions {
  readonly executor: RouterExecutor;
  /** Folder of the routers' namespace files. */
  readonly dir: string;
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** Told after every change of what the managers say or of the legs. */
  readonly onChange?: () => void;
  /** Whether tasks see the addresses of a published port's clients (default). */
  readonly keepsClientAddress?: boolean;
  /** What has to follow a change before it is in force: names. */
  readonly afterwards?: () => Promise<void>;
  /** Told when the node is in no swarm any more, and nothing of it is left. */
  readonly onLeave?: () => Promise<void>;
  /** Told when other nodes have to know other keys of this node's part in encrypted networks. */
  readonly onKeys?: (keys: readonly DataPathKey[]) => void;
}

export class RoutedNetworks {
  readonly #o: RoutedNetworksOptions;
  readonly #log: Logger;
  readonly #views = new Map<string, NetworkView>();
  /** Attachments by network and endpoint. */
  readonly #legs = new Map<string, Map<string, RoutedAttachment>>();
  /** Legs that are just being made: they are not missing. */
  readonly #attaching = new Set<string>();
  /** Of networks without a router: a router's legs are found by looking at it. */
  readonly #left: LeftDevices;
  readonly #rules: WrittenRules;
  readonly #mesh: MeshUpkeep;
  readonly #mtu: UnderlayMtu;
  /** Backends' addresses that rules have led to, by network. */
  readonly #addresses = new Map<string, ReadonlySet<string>>();
  readonly #routers = new Set<string>();
  /** Of swarms, known by containers that were found alone: their routers stay as they are until the managers' last word is known. */
  readonly #found = new Set<string>();
  /** What the routers were like when they were looked at last, apart from their legs. */
  readonly #ensured = new Map<string, string>();
  readonly #tunnels: EncryptedTunnels;
  /** Encrypted networks that the tunnels were made for. */
  #tunnelled: ReadonlySet<string> = new Set();
  #nodeId = '';
  /** Whether all networks that this node has a part in are known: what is not among them may go. */
  #isTold = false;
  #dataPathPort = 4789;
  readonly #dirty = new Set<string>();
  readonly #lock = new SerialLock();
  #scheduled = false;
  /** Until what is scheduled is in the queue. */
  #soon: Promise<void> | undefined;

  constructor(options: RoutedNetworksOptions) {
    this.#o = options;
    this.#log = options.logger ?? silentLogger;
    this.#left = new LeftDevices((netns, iface) => options.executor.detachDevice(netns, iface), this.#log);
    this.#rules = new WrittenRules(options.executor);
    this.#mesh = new MeshUpkeep(options.executor, this.#rules);
    this.#mtu = new UnderlayMtu(options.executor);
    this.#tunnels = new EncryptedTunnels({
      executor: options.executor,
      netns: join(options.dir, TUNNELS_FILE),
      clock: options.clock ?? systemClock,
      onKeys: (keys) => options.onKeys?.(keys),
      onUnheard: () => void this.#lock.run(() => this.#shakeHands()),
    });
  }

  // What the managers say

  /** Who this node is among the peers; '' in no swarm. */
  setNode(nodeId: string): void {
    this.#nodeId = nodeId;
  }

  /** Which generation of keys encrypted networks are to use. */
  setKeyGeneration(generation: number): void {
    if (this.#tunnels.setGeneration(generation)) this.#schedule();
  }

  /** Of this node's part in encrypted networks, for the others; undefined before it has been looked what is there. */
  get keys(): readonly DataPathKey[] | undefined {
    return this.#tunnels.keys;
  }

  /** `complete` messages replace all that is known of the swarm's networks; those that are not in them are forgotten. */
  apply(change: {
    readonly complete: boolean;
    readonly networks: readonly NetworkState[];
    readonly removedNetworkIds: readonly string[];
    /** 0 = unchanged. */
    readonly dataPathPort: number;
  }): void {
    if (change.complete) this.#isTold = true;
    if (change.dataPathPort > 0) this.#dataPathPort = change.dataPathPort;
    const known = new Set(change.networks.map((n) => n.networkId));
    const swarm = [...this.#views.values()].filter((v) => vniOf(v.network) > 0).map((v) => v.id);
    const gone = change.complete ? swarm.filter((id) => !known.has(id)) : change.removedNetworkIds;
    for (const id of gone) {
      this.#found.delete(id);
      this.#views.delete(id);
      this.#dirty.add(id);
    }
    for (const s of change.networks) {
      const view = applyState(this.#views.get(s.networkId), s);
      if (!view) continue;
      this.#found.delete(s.networkId);
      this.#views.set(s.networkId, view);
      this.#dirty.add(s.networkId);
    }
    if (this.#dirty.size > 0) this.#schedule();
  }

  /** The node is in no swarm any more: everything goes. */
  async leave(): Promise<void> {
    this.apply({ complete: true, networks: [], removedNetworkIds: [], dataPathPort: 0 });
    await this.settled();
    await this.#lock.run(async () => {
      this.#nodeId = '';
      await this.#mesh.remove();
    });
    await this.#o.onLeave?.();
  }

  /** Whether the host forwards for the routing mesh. */
  get usesHost(): boolean {
    return [...this.#views.values()].some((v) => isIngress(v) && this.#routers.has(v.id) && publishesPorts(v));
  }

  /** Name of the service that has a port on every node; undefined when none has. */
  publisherOf(protocol: string, port: number): string | undefined {
    return this.published().find((p) => p.port === port && p.protocol === protocol)?.service;
  }

  /** Ports that services have on every node. */
  published(): readonly MeshPort[] {
    return meshPorts(this.views());
  }

  /** What the managers said last, as one message per network: to be kept over a restart. */
  states(): readonly NetworkState[] {
    return [...this.#views.values()].filter((v) => vniOf(v.network) > 0 && !v.isUntold).map(stateOf);
  }

  /** Endpoints that the managers count as containers of this node without any task, and that are none. */
  strayEndpoints(): readonly string[] {
    return [...this.#views.values()].flatMap((v) =>
      [...v.endpoints.values()]
        .filter((e) => e.nodeId === this.#nodeId && e.serviceId === '' && vniOf(v.network) > 0)
        .filter((e) => !this.#legs.get(v.id)?.has(e.taskId))
        .map((e) => e.taskId),
    );
  }

  /** Whether the managers' last word is known of every network that containers were found on. */
  get isComplete(): boolean {
    return this.#found.size === 0;
  }

  views(): readonly NetworkView[] {
    return [...this.#views.values()];
  }

  view(networkId: string): NetworkView | undefined {
    return this.#views.get(networkId);
  }

  attachments(): readonly RoutedAttachment[] {
    return [...this.#legs.values()].flatMap((m) => [...m.values()]);
  }

  // Containers

  /** Gives a container its leg of a network; `beside` runs meanwhile. Nothing is left behind when it throws. */
  async attach(o: AttachOptions, beside?: (made: RoutedAttachment) => Promise<void>): Promise<RoutedAttachment> {
    const { network } = o.attachment;
    if (!network) throw new SwarmtsError('internal', 'an attachment without its network');
    this.#views.set(network.id, this.#views.get(network.id) ?? onlyNetwork(network));
    this.#found.delete(network.id);
    await this.#requireEncryption(network);
    const made = await this.#newAttachment(o, network);
    this.#attaching.add(made.leg.leg);
    this.#legsOf(network.id).set(o.endpointId, made);
    try {
      const joined = this.#lock.run(() => this.#join(made));
      // The executor is at work by then.
      const besides = beside && immediate().then(() => beside(made));
      await together(joined, besides);
    } catch (e) {
      await this.takeBack(made);
      throw e;
    } finally {
      this.#attaching.delete(made.leg.leg);
    }
    this.#o.onChange?.();
    return made;
  }

  async #join(made: RoutedAttachment): Promise<void> {
    const macvlan = macvlanSpecOf(made);
    if (macvlan) {
      this.#left.keep(macvlan.containerNetns, macvlan.iface);
      return this.#o.executor.attachMacvlan(macvlan);
    }
    await this.#tunnelsFor(made.networkId);
    if (this.#routers.has(made.networkId) && (await this.#joinKnownRouter(made))) return;
    await this.#reconcile(made.networkId);
    await this.#o.executor.attachLeg(made.leg);
  }

  /** Other networks have nothing to do with tunnels that cannot be made: the next repair tries again. */
  async #tunnelsFor(networkId: string): Promise<void> {
    try {
      await this.#reconcileTunnels();
    } catch (e) {
      const view = this.#views.get(networkId);
      if (view && usesTunnels(view)) throw e;
      this.#log.warn('the tunnels of encrypted networks are not in order', { error: messageOf(e) });
    }
  }

  /** To a router that was complete when it was looked at last. False when it is not any more. */
  async #joinKnownRouter({ networkId, leg }: RoutedAttachment): Promise<boolean> {
    const view = this.#views.get(networkId);
    if (!view) return false;
    try {
      const rules = this.#rulesOf(networkId, view);
      // Whether they are still there is the repair's business, as it is with the router.
      const written = this.#rules.are(leg.routerNetns, rules) ? undefined : this.#rules.bring(leg.routerNetns, rules);
      // Behind the rules: the executor does one after the other.
      await together(this.#o.executor.attachLeg(leg), written);
      return true;
    } catch (e) {
      this.#log.debug('a router is not as it was', { network: networkId, error: messageOf(e) });
      this.#ensured.delete(networkId);
      return false;
    }
  }

  /** The container's namespace is gone, or about to go. Its routers go with their last leg. */
  detach(attachment: RoutedAttachment): void {
    this.#forget(attachment);
    this.#schedule();
  }

  /** Takes the leg off a container that goes on. When it fails the container is on the network as before. */
  async disconnect(attachment: RoutedAttachment): Promise<void> {
    const { routerNetns, leg, containerNetns, iface } = attachment.leg;
    this.#forget(attachment);
    try {
      await this.#lock.run(() =>
        macvlanOf(attachment.network)
          ? this.#o.executor.detachDevice(containerNetns, iface)
          : this.#o.executor.detachLeg(routerNetns, leg),
      );
    } catch (e) {
      this.#legsOf(attachment.networkId).set(attachment.endpointId, attachment);
      this.#dirty.add(attachment.networkId);
      throw e;
    } finally {
      this.#schedule();
    }
  }

  /** Takes a leg off that was made for nothing: what cannot be done now is done by the next repair. */
  async takeBack(attachment: RoutedAttachment): Promise<void> {
    const { routerNetns, leg, containerNetns, iface } = attachment.leg;
    this.#forget(attachment);
    if (macvlanOf(attachment.network)) await this.#left.remove(containerNetns, iface);
    else {
      await this.#lock
        .run(() => this.#o.executor.detachLeg(routerNetns, leg))
        .catch((e: unknown) =>
          this.#log.warn('a leg that does not count is left in a container', { leg, error: messageOf(e) }),
        );
    }
    this.#schedule();
  }

  /** After a restart: the containers that are alive, and what the managers last said. */
  async restore(attachments: readonly RoutedAttachment[]): Promise<void> {
    for (const a of attachments) {
      if (!this.#views.has(a.networkId)) this.#find(a.networkId, a.network);
      this.#legsOf(a.networkId).set(a.endpointId, a);
      this.#dirty.add(a.networkId);
    }
    this.#schedule();
    await this.settled();
  }

  #find(id: string, network: Network): void {
    this.#views.set(id, onlyNetwork(network));
    if (vniOf(network) === 0) return;
    this.#found.add(id);
    this.#routers.add(id);
  }

  // Reconciling

  /** Looks at everything that is on the node and mends what differs. */
  async repair(): Promise<void> {
    this.#mtu.forget();
    await this.#left.retry();
    this.#ensured.clear();
    for (const id of [...this.#views.keys(), ...this.#routers]) this.#dirty.add(id);
    this.#schedule();
    await this.settled();
  }

  /** Resolves when all that is known has been carried out, or has failed and waits for the next repair. */
  async settled(): Promise<void> {
    do {
      await this.#soon;
      await this.#lock.idle();
    } while (this.#scheduled);
  }

  /** Resolves when what was applied before is in force on this node, names included. */
  async inForce(): Promise<void> {
    await this.settled();
    await this.#o.afterwards?.();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // A container that is just about to be attached goes first: somebody waits for it.
    this.#soon = immediate().then(() => {
      this.#soon = undefined;
      // Whoever has waited for what was done before is answered first.
      void this.#lock.run(() => immediate().then(() => this.#reconcileDirty()));
    });
    this.#o.onChange?.();
  }

  async #reconcileDirty(): Promise<void> {
    this.#scheduled = false;
    const ids = [...this.#dirty];
    this.#dirty.clear();
    await this.#reconcileTunnels().catch((e: unknown) =>
      this.#log.error('the encrypted data path is not as it should be; it is tried again', { error: messageOf(e) }),
    );
    for (const id of ids) {
      await this.#reconcile(id).catch((e: unknown) =>
        this.#log.error('a network is not as it should be; it is tried again', { network: id, error: messageOf(e) }),
      );
    }
    await this.#reconcileMesh().catch((e: unknown) =>
      this.#log.error('the rules of published ports were not written; it is tried again', { error: messageOf(e) }),
    );
  }

  async #reconcile(id: string): Promise<void> {
    if (this.#found.has(id)) return;
    const view = this.#views.get(id);
    const legs = this.#legs.get(id);
    const netns = this.#netnsOf(id);
    if (!view || !this.#takesPart(view)) {
      await this.#removeRouter(id, netns);
      return;
    }
    // It may have got its first leg, or its peers, since the tunnels were looked at.
    if (usesTunnels(view) && view.peers.has(this.#nodeId) && !this.#tunnelled.has(id)) await this.#reconcileTunnels();
    const input = {
      view,
      nodeId: this.#nodeId,
      netns,
      dataPathPort: this.#dataPathPort,
      tunnels: this.#tunnels.netns,
      keepsClientAddress: this.#o.keepsClientAddress ?? true,
      mtu: await this.#mtu.forNetwork(view, this.#nodeId),
    };
    const legNames = new Map(
      [...(legs ?? [])].map(([endpoint, a]) => [
        endpoint,
        { name: a.leg.leg, addresses: a.leg.addresses.map((x) => x.address) },
      ]),
    );
    this.#routers.add(id);
    const spec = routerOf({ ...input, legs: legNames });
    const core = coreOf(spec);
    if (this.#ensured.get(id) !== core) {
      this.#ensured.delete(id);
      const { missingLegs, madeVxlan } = await this.#ensureRouter(spec);
      if (madeVxlan) this.#rules.forget(netns);
      for (const a of legs?.values() ?? []) {
        if (missingLegs.includes(a.leg.leg) && !this.#attaching.has(a.leg.leg)) await this.#reattach(a);
      }
      this.#ensured.set(id, core);
    }
    await this.#rules.bring(netns, this.#rulesOf(id, view));
    await this.#forgetDeadBackends(id, view, netns);
  }

  #takesPart(view: NetworkView): boolean {
    if (macvlanOf(view.network)) return false;
    if (isIngress(view) && view.peers.has(this.#nodeId)) return true;
    return (this.#legs.get(view.id)?.size ?? 0) > 0;
  }

  /** Before the networks that go through them; after the last one they go. */
  async #reconcileTunnels(): Promise<void> {
    const views = this.#tunnelViews();
    if (views.length === 0 && this.#isTold) await this.#tunnels.remove();
    const situation = await this.#tunnelSituation(views);
    if (situation) await this.#tunnels.ensure(situation);
    this.#tunnelled = new Set(situation ? views.filter((v) => v.peers.has(this.#nodeId)).map((v) => v.id) : []);
  }

  async #shakeHands(): Promise<void> {
    try {
      const situation = await this.#tunnelSituation(this.#tunnelViews());
      if (situation) await this.#tunnels.shakeHands(situation);
    } catch (e) {
      this.#log.warn('handshakes of the encrypted data path were not begun anew', { error: messageOf(e) });
    }
  }

  #tunnelViews(): readonly NetworkView[] {
    return this.views().filter((v) => usesTunnels(v) && this.#takesPart(v));
  }

  /** undefined while the managers have not given this node a part in these networks. */
  async #tunnelSituation(views: readonly NetworkView[]): Promise<TunnelSituation | undefined> {
    const self = views.map((v) => v.peers.get(this.#nodeId)).find((p) => p !== undefined);
    if (!self) return undefined;
    const peers = new Map(views.flatMap((v) => [...v.peers]));
    peers.delete(this.#nodeId);
    const mtu = await this.#mtu.forTunnels(self.addr);
    return { index: self.index, peers: [...peers.values()], dataPathPort: this.#dataPathPort, mtu };
  }

  async #requireEncryption(network: Network): Promise<void> {
    if (!isEncrypted(network.spec) || (await this.#o.executor.encryption()) !== '') return;
    const name = network.spec?.annotations?.name ?? network.id;
    throw new SwarmtsError(
      'failed-precondition',
      `network ${name} is encrypted, and this node cannot encrypt: ${NO_ENCRYPTION}`,
    );
  }

  /** The kernel takes a namespace down in its own time: until then the number of a network that was here before is in use. */
  async #ensureRouter(spec: RouterSpec): Promise<EnsuredRouter> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#o.executor.ensureRouter(spec);
      } catch (e) {
        if (attempt >= ROUTER_ATTEMPTS || !isSwarmtsError(e, 'already-exists')) throw e;
        await sleep(this.#o.clock ?? systemClock, ROUTER_RETRY_MS);
      }
    }
  }

  #rulesOf(id: string, view: NetworkView): RuleSet {
    const own = [...(this.#legs.get(id)?.values() ?? [])].flatMap((a) => a.leg.addresses.map((x) => x.address));
    return routerRules(view, this.#nodeId, own, this.#o.keepsClientAddress);
  }

  /** A container whose leg was deleted by somebody gets it back; one that is ending has no namespace any more. */
  async #reattach(a: RoutedAttachment): Promise<void> {
    try {
      await this.#o.executor.attachLeg(a.leg);
      this.#log.warn('a leg was gone and is there again', { network: a.networkName, leg: a.leg.leg });
    } catch (e) {
      this.#log.debug('a leg is gone', { network: a.networkName, leg: a.leg.leg, error: messageOf(e) });
    }
  }

  /** Connections to endpoints that are gone are cut instead of hanging. */
  async #forgetDeadBackends(id: string, view: NetworkView, netns: string): Promise<void> {
    const now = new Set([...view.endpoints.values()].flatMap((e) => e.addresses));
    const gone = [...(this.#addresses.get(id) ?? [])].filter((a) => !now.has(a));
    if (gone.length > 0) await this.#o.executor.flushBackends(netns, gone);
    if (gone.length > 0 && isIngress(view)) {
      await this.#o.executor.flushBackends('', [...gone, ...gone.flatMap((a) => this.#mesh.shortcutTo(a))]);
    }
    // Not before: what could not be cut is cut by the next repair.
    this.#addresses.set(id, now);
  }

  #reconcileMesh(): Promise<void> {
    return this.#mesh.reconcile({
      nodeId: this.#nodeId,
      dataPathPort: this.#dataPathPort,
      views: this.views(),
      legsOf: (id) => [...(this.#legs.get(id)?.values() ?? [])].map((a) => a.leg),
    });
  }

  async #removeRouter(id: string, netns: string): Promise<void> {
    this.#legs.delete(id);
    this.#ensured.delete(id);
    this.#rules.forget(netns);
    this.#addresses.delete(id);
    if (!this.#routers.has(id)) return;
    await this.#o.executor.removeRouter(netns);
    this.#routers.delete(id);
  }

  async #newAttachment(o: AttachOptions, network: Network): Promise<RoutedAttachment> {
    const mtu = await this.#mtu.forNetwork(this.#views.get(network.id) ?? onlyNetwork(network), this.#nodeId);
    return attachmentTo(network, o, { netns: this.#netnsOf(network.id), mtu });
  }

  #forget(a: RoutedAttachment): void {
    this.#legs.get(a.networkId)?.delete(a.endpointId);
    this.#dirty.add(a.networkId);
  }

  #legsOf(networkId: string): Map<string, RoutedAttachment> {
    const legs = this.#legs.get(networkId) ?? new Map<string, RoutedAttachment>();
    this.#legs.set(networkId, legs);
    return legs;
  }

  #netnsOf(networkId: string): string {
    return join(this.#o.dir, networkId);
  }
}

/** Until the managers have said more. */
function onlyNetwork(network: Network): NetworkView {
  return { id: network.id, network, endpoints: new Map(), services: new Map(), peers: new Map(), isUntold: true };
}
