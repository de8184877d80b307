/**
 * All networks of the node as the engine needs them. A container without wishes is on the node's local network alone; others get one
 * leg per network, and a leg of the local one as their way out (default-gateway) where they are not on it, unless all their networks are
 * internal: then nothing of theirs is published either, as with Docker. The ingress network's leg has the default route, so that
 * whatever comes in through the mesh is answered there.
 */
import { rm } from 'node:fs/promises';
import { setImmediate as immediate } from 'node:timers/promises';
import { type Logger, messageOf, SwarmtsError, together } from '@swarmts/lib';
import {
  type AttachOptions,
  type DnsContainer,
  isOnLocalNetwork,
  type LegWish,
  type LinkedPort,
  type LocalEndpoint,
  type LocalNetwork,
  macvlanOf,
  NAMESERVER,
  type RoutedAttachment,
  type RoutedNetworks,
} from '@swarmts/netplugins';
import {
  builtinNetworks,
  ENDPOINT_SYSCTLS,
  endpointSysctls,
  isNodeLocal,
  type Network,
  networkDriver,
  type NetworkAttachment as SwarmAttachment,
} from '@swarmts/proto';
import type { PrivilegedHelper } from '../helper/helper-api.js';
import { boundPorts } from './bridge-options.js';
import type { ContainerNetworkInfo } from './container-api.js';
import type { NetworkWish } from './container-config.js';
import type { AttachRequest, ContainerNetwork, NetworkAttachment, RestoredAttachment } from './container-network.js';
import { areInternal, leavesDefault, needsWayOut, placesOf, refuseMove } from './default-gateway.js';
import { interfaceName, interfaceNames } from './interface-names.js';
import { BRIDGE_WISH, isWishFor, onBridge } from './joined-networks.js';
import { LocalContainerNetwork } from './local-container-network.js';

export interface ObtainedEndpoint {
  readonly endpointId: string;
  readonly attachment: SwarmAttachment;
}

export interface ContainerNames {
  readonly id: string;
  readonly name: string;
}

/** Gets addresses for containers that no manager has sent here: on networks of the node, or from the managers. */
export interface EndpointSource {
  /** 'not-found' when there is no such network. */
  obtain(wish: NetworkWish, container: ContainerNames): Promise<ObtainedEndpoint>;
  giveBack(endpointId: string): Promise<void>;
  /** After a restart: the container is on the network still. */
  adopt?(attachment: RoutedAttachment, containerName: string): void;
  /** Others find the container by another name. */
  rename?(endpointId: string, name: string): Promise<void>;
  /** Endpoints that could not be given back when they were to be. */
  owed?(): readonly string[];
}

export interface NodeEndpointSource extends EndpointSource {
  /** For a task on a network of the swarm that each node makes for itself. */
  place(network: Network, wish: NetworkWish, container: ContainerNames): Promise<ObtainedEndpoint>;
}

export interface NameService {
  /** Resolves when the container's questions are answered. */
  put(container: DnsContainer): Promise<void>;
  remove(containerId: string): void;
}

const SHORT_ID_DIGITS = 12;

interface RoutedDetails {
  readonly kind: 'routed';
  readonly local?: LocalEndpoint;
  readonly routed: readonly RoutedAttachment[];
  /** Endpoints that are to be given back. */
  readonly obtained: readonly string[];
  readonly name: string;
  readonly named: DnsContainer;
}

export interface NodeNetworkParts {
  readonly local: LocalNetwork;
  readonly routed: RoutedNetworks;
  readonly helper: Pick<PrivilegedHelper, 'createNetns' | 'detachLocal' | 'setSysctls'>;
  readonly source: NodeEndpointSource;
  readonly names: NameService;
  readonly logger: Logger;
}

export class NodeContainerNetwork implements ContainerNetwork {
  readonly #p: NodeNetworkParts;
  readonly #plain: LocalContainerNetwork;
  readonly #attached = new Map<string, RoutedDetails>();

  constructor(parts: NodeNetworkParts) {
    this.#p = parts;
    this.#plain = new LocalContainerNetwork(parts.local);
  }

  async attach(id: string, request: AttachRequest): Promise<NetworkAttachment> {
    const all = request.networks ?? [BRIDGE_WISH];
    const wishes = all.filter((w) => !isForBridge(w));
    const bridge = all.find(isForBridge);
    if (bridge && wishes.length === 0) return this.#attachPlain(id, request, bridge);
    // Of a start that failed, and could not be taken down then.
    if (this.#attached.has(id)) await this.detach(id);
    const obtained: string[] = [];
    const made: RoutedAttachment[] = [];
    let local: LocalEndpoint | undefined;
    try {
      const endpoints: (ObtainedEndpoint & { readonly wish: NetworkWish })[] = [];
      for (const wish of wishes) endpoints.push({ ...(await this.#obtain(wish, id, request, obtained)), wish });
      const isInternal = !bridge && areInternal(endpoints.map((e) => e.attachment));
      const ways = wishesWithWay(endpoints, bridge);
      const places = endpoints.map(({ wish, attachment: { network } }) => {
        return { network, leavesDefault: leavesDefault(network, wish, ways) };
      });
      const ifaces = interfaceNames(all, (w) => endpoints.find((e) => e.wish === w)?.attachment.network);
      if (bridge || needsWayOut(places)) {
        const leg = bridge ? placeOf(bridge, ifaces.get(bridge) ?? '') : { gatewayOnly: true };
        local = await this.#p.local.attach(id, { netns: request.netnsPath, ...leg });
      } else await this.#p.helper.createNetns(request.netnsPath);
      const named = namedOf(id, request, endpoints.map(networkIdOf), isInternal, linksByNetwork(endpoints));
      const way = local;
      const join = async () => {
        for (const [i, e] of endpoints.entries()) {
          const leg = { iface: ifaces.get(e.wish) ?? '', leavesDefault: places[i]?.leavesDefault ?? false };
          made.push(await this.#join(id, request, e, leg, way));
        }
        for (const [wish, iface] of ifaces) await this.#setSysctls(request, wish, iface);
      };
      await together(join(), this.#p.names.put(named));
      if (local && request.ports.length > 0) {
        const on = endpoints.map((e) => e.attachment.network);
        await this.#p.local.publish(id, boundPorts(request.ports, on));
      }
      const name = request.name ?? id;
      const details: RoutedDetails = {
        kind: 'routed',
        name,
        routed: made,
        obtained,
        named,
        ...(local ? { local } : {}),
      };
      return this.#keep(id, details);
    } catch (e) {
      const named = namedOf(id, request, [], false, {});
      const left = { kind: 'routed', name: id, routed: made, obtained, named, ...(local ? { local } : {}) } as const;
      this.#attached.set(id, left);
      await this.detach(id).catch((also: unknown) =>
        this.#p.logger.warn('what a start has made is left for now', { container: id, error: messageOf(also) }),
      );
      throw e;
    }
  }

  async #attachPlain(id: string, request: AttachRequest, wish: NetworkWish): Promise<NetworkAttachment> {
    const attachment = await this.#plain.attach(id, { ...request, networks: [wish] });
    try {
      await this.#setSysctls(request, wish, (attachment.details as LocalEndpoint).containerIface);
    } catch (e) {
      await this.#plain.detach(id);
      throw e;
    }
    return attachment;
  }

  /** Those that were wished for the interface on one network. */
  async #setSysctls({ netnsPath }: AttachRequest, { driverOptions }: NetworkWish, iface: string): Promise<void> {
    const values = endpointSysctls(driverOptions?.[ENDPOINT_SYSCTLS] ?? '', iface);
    if (Object.keys(values).length > 0) await this.#p.helper.setSysctls(values, netnsPath);
  }

  async connect(
    id: string,
    attachment: NetworkAttachment,
    request: AttachRequest,
    wish: NetworkWish,
    beside: (planned: NetworkAttachment) => Promise<void>,
  ): Promise<NetworkAttachment> {
    const before = this.#attached.get(id) ?? detailsOfPlain(id, attachment, request);
    if (isForBridge(wish)) return this.#connectBridge(id, before, request, wish, beside);
    const refuse = (networks: readonly (string | undefined)[]) => {
      if (!before.routed.some((r) => networks.includes(r.networkId) || networks.includes(r.networkName))) return;
      throw new SwarmtsError('conflict', `container ${id} is on network ${wish.target} already`);
    };
    refuse([wish.target]);
    const obtained: string[] = [];
    let joined: RoutedAttachment | undefined;
    try {
      const endpoint = { ...(await this.#obtain(wish, id, request, obtained)), wish };
      const { network } = endpoint.attachment;
      refuse([network?.id]);
      const others = request.networks ?? [BRIDGE_WISH];
      refuseMove(network, wish, others, placesOf(before.routed));
      const place = {
        iface: interfaceName(wish, network, interfacesOf(before)),
        leavesDefault: leavesDefault(network, wish, others),
      };
      const isInternal = before.named.isInternal && (endpoint.attachment.network?.spec?.internal ?? false);
      const links = { ...before.named.links, ...linksByNetwork([endpoint]) };
      const named = namedOf(id, request, [...before.named.networkIds, networkIdOf(endpoint)], isInternal, links);
      const withLeg = (leg: RoutedAttachment) => ({
        ...before,
        routed: [...before.routed, leg],
        named,
        obtained: [...before.obtained, ...obtained],
      });
      const join = async () => {
        joined = await this.#join(id, request, endpoint, place, undefined, (planned) =>
          beside(this.#describe(id, withLeg(planned))),
        );
        await this.#setSysctls(request, wish, joined.leg.iface);
        return joined;
      };
      // The leg takes longest, and others make it: the names are seen to meanwhile.
      const names = immediate().then(() => this.#p.names.put(named));
      const joinedTo = withLeg(await together(join(), names));
      return this.#keep(id, await this.#settleWayOut(id, joinedTo, request, beside));
    } catch (e) {
      await this.#takeBack(id, before, joined, obtained);
      throw e;
    }
  }

  /** What a connection that failed has made of a container that goes on. */
  async #takeBack(
    id: string,
    before: RoutedDetails,
    joined: RoutedAttachment | undefined,
    obtained: readonly string[],
  ): Promise<void> {
    if (joined) await this.#p.routed.takeBack(joined);
    if (!this.#attached.has(id)) this.#p.names.remove(id);
    else await this.#p.names.put(before.named).catch((e: unknown) => this.#unnamed(id, e));
    // It is the container's already where it is on the network already.
    for (const o of obtained) if (!before.obtained.includes(o)) await this.#p.source.giveBack(o);
  }

  #unnamed(container: string, e: unknown): void {
    this.#p.logger.warn('a container has no name server for now', { container, error: messageOf(e) });
  }

  async disconnect(
    id: string,
    attachment: NetworkAttachment,
    request: AttachRequest,
    networkId: string,
    beside: (planned: NetworkAttachment) => Promise<void>,
  ): Promise<NetworkAttachment> {
    const before = this.#attached.get(id) ?? detailsOfPlain(id, attachment, request);
    if (networkId === builtinNetworks.bridge.id) return this.#disconnectBridge(id, before, beside);
    const gone = before.routed.find((r) => r.networkId === networkId);
    if (!gone) throw notOn(id, networkId);
    await this.#p.routed.disconnect(gone);
    if (before.obtained.includes(gone.endpointId)) await this.#p.source.giveBack(gone.endpointId);
    const routed = before.routed.filter((r) => r !== gone);
    const isInternal = !isMember(before) && areInternal(routed);
    const named = { ...before.named, networkIds: routed.map((r) => r.networkId), isInternal };
    await this.#p.names.put(named);
    const obtained = before.obtained.filter((o) => o !== gone.endpointId);
    return this.#keep(id, await this.#settleWayOut(id, { ...before, routed, named, obtained }, request, beside));
  }

  /** One that is not on the node's own network has a leg there where it needs one to get out. */
  async #settleWayOut(
    id: string,
    details: RoutedDetails,
    request: AttachRequest,
    beside: (planned: NetworkAttachment) => Promise<void>,
  ): Promise<RoutedDetails> {
    const needed = isMember(details) || needsWayOut(placesOf(details.routed));
    if (needed === (details.local !== undefined)) return details;
    if (needed) {
      const tell = (local: LocalEndpoint) => beside(this.#describe(id, { ...details, local }, local));
      return { ...details, local: await this.#attachLocal(id, details, request, { gatewayOnly: true }, tell) };
    }
    try {
      await this.#p.local.leave(id);
    } catch (e) {
      this.#p.logger.warn('a container keeps a way out that it needs no more', { container: id, error: messageOf(e) });
      return details;
    }
    const { local: _left, ...rest } = details;
    return rest;
  }

  async #attachLocal(
    id: string,
    { routed }: RoutedDetails,
    { netnsPath: netns, ports }: AttachRequest,
    leg: LegWish,
    beside: (planned: LocalEndpoint) => Promise<void>,
  ): Promise<LocalEndpoint> {
    const local = await this.#p.local.attach(id, { netns, ...leg }, beside);
    if (ports.length === 0) return local;
    try {
      const on = routed.map((r) => r.network);
      await this.#p.local.publish(id, boundPorts(ports, on));
    } catch (e) {
      await this.#p.local.discard(id);
      throw e;
    }
    return local;
  }

  /** The way out becomes a place on the network, with the same address. */
  async #connectBridge(
    id: string,
    before: RoutedDetails,
    request: AttachRequest,
    wish: NetworkWish,
    beside: (planned: NetworkAttachment) => Promise<void>,
  ): Promise<NetworkAttachment> {
    if (isMember(before)) throw new SwarmtsError('conflict', `container ${id} is on network ${wish.target} already`);
    if (before.routed.some((r) => macvlanOf(r.network) || r.leg.formerDefault)) {
      const why = 'a container that runs and has a way out of its own cannot be connected to the network bridge';
      throw new SwarmtsError('unsupported', `${why}: stop it, connect it, and start it again`);
    }
    const named = { ...before.named, isInternal: false };
    const tell = (local: LocalEndpoint) => beside(this.#describe(id, { ...before, named, local }, local));
    const place = placeOf(wish, interfaceName(wish, undefined, interfacesOf(before)));
    const local = await (before.local
      ? this.#p.local.move(id, place, tell)
      : this.#attachLocal(id, before, request, place, tell));
    const details = { ...before, named, local };
    try {
      await this.#setSysctls(request, wish, local.containerIface);
    } catch (e) {
      await this.#disconnectBridge(id, details, beside);
      throw e;
    }
    return this.#keepNamed(id, details);
  }

  /** The place becomes a way out, where the container needs one. */
  async #disconnectBridge(
    id: string,
    before: RoutedDetails,
    beside: (planned: NetworkAttachment) => Promise<void>,
  ): Promise<NetworkAttachment> {
    if (!isMember(before)) throw notOn(id, builtinNetworks.bridge.name);
    const named = { ...before.named, isInternal: areInternal(before.routed) };
    const { local: _gone, ...rest } = before;
    if (!needsWayOut(placesOf(before.routed))) {
      await this.#p.local.leave(id);
      return this.#keepNamed(id, { ...rest, named });
    }
    const tell = (local: LocalEndpoint) => beside(this.#describe(id, { ...before, named, local }, local));
    const local = await this.#p.local.move(id, { gatewayOnly: true }, tell);
    return this.#keepNamed(id, { ...before, named, local });
  }

  /** Its legs are there: names come as soon as they can. */
  async #keepNamed(id: string, details: RoutedDetails): Promise<NetworkAttachment> {
    await this.#p.names.put(details.named).catch((e: unknown) => this.#unnamed(id, e));
    return this.#keep(id, details);
  }

  async rename(id: string, attachment: NetworkAttachment, name: string): Promise<NetworkAttachment> {
    const details = this.#attached.get(id);
    if (!details) return attachment;
    const renamed = this.#keep(id, { ...details, name });
    for (const endpointId of details.obtained) {
      await this.#p.source.rename?.(endpointId, name).catch((e: unknown) => {
        const left = { container: id, name, error: messageOf(e) };
        this.#p.logger.warn('others still find a container by its old name; it is tried again', left);
      });
    }
    return renamed;
  }

  /** Others are told once more of names that they do not have: no manager may have answered when the container was renamed. */
  async mendNames(): Promise<void> {
    for (const { name, routed, obtained } of this.#attached.values()) {
      for (const { networkId, endpointId } of routed) {
        const known = this.#p.routed.view(networkId)?.endpoints.get(endpointId)?.name ?? name;
        if (known !== name && obtained.includes(endpointId)) await this.#p.source.rename?.(endpointId, name);
      }
    }
  }

  linkAddress(id: string): string | undefined {
    return this.#plain.linkAddress(id);
  }

  async link(id: string, attachment: NetworkAttachment, links: readonly LinkedPort[]): Promise<NetworkAttachment> {
    const details = this.#attached.get(id);
    // One that is not on the node's own network any more has nobody to be linked to.
    if (details && !details.local) return attachment;
    const linked = await this.#plain.link(id, attachment, links);
    return details ? this.#keep(id, details) : linked;
  }

  /** Repeating it goes on where it failed. */
  async detach(id: string): Promise<void> {
    const details = this.#attached.get(id);
    if (!details) return this.#plain.detach(id);
    const { named, routed, obtained, local } = details;
    this.#p.names.remove(id);
    for (const r of routed) this.#p.routed.detach(r);
    if (local) await this.#p.local.detach(id);
    await this.#p.helper.detachLocal(named.netns);
    for (const o of obtained) await this.#p.source.giveBack(o);
    await rm(named.netns, { force: true });
    this.#attached.delete(id);
  }

  async restore(attachments: readonly RestoredAttachment[]): Promise<readonly string[]> {
    const routed = attachments.filter((a) => isRouted(a.attachment.details));
    const plain = attachments.filter((a) => !isRouted(a.attachment.details));
    const withLocal = routed.filter((a) => (a.attachment.details as RoutedDetails).local !== undefined);
    const locals = withLocal.map((a) => ({
      ...a,
      attachment: { ...a.attachment, details: (a.attachment.details as RoutedDetails).local },
    }));
    const lost = new Set(await this.#plain.restore([...plain, ...locals]));
    const kept = routed.filter((a) => !lost.has(a.id));
    await this.#p.routed.restore(kept.flatMap((a) => (a.attachment.details as RoutedDetails).routed));
    for (const a of kept) {
      // It came from `attach` and has only been through JSON.
      const details = a.attachment.details as RoutedDetails;
      this.#attached.set(a.id, details);
      for (const r of details.routed) this.#p.source.adopt?.(r, details.name);
      await this.#p.names.put(details.named).catch((e: unknown) => this.#unnamed(a.id, e));
    }
    return [...lost];
  }

  async #obtain(wish: NetworkWish, id: string, request: AttachRequest, obtained: string[]): Promise<ObtainedEndpoint> {
    const { given } = wish;
    const network = given?.attachment.network;
    if (given && !(network && isNodeLocal(network))) return given;
    const names = { ...wish, aliases: [...new Set([...wish.aliases, ...ownNames(id, request.hostname)])] };
    const container = { id, name: request.name ?? id };
    const endpoint = await (network
      ? this.#p.source.place(network, names, container)
      : this.#p.source.obtain(names, container));
    obtained.push(endpoint.endpointId);
    return endpoint;
  }

  #join(
    id: string,
    request: AttachRequest,
    e: ObtainedEndpoint & { readonly wish: NetworkWish },
    place: Pick<AttachOptions, 'iface' | 'leavesDefault'>,
    local: LocalEndpoint | undefined,
    beside?: (planned: RoutedAttachment) => Promise<void>,
  ): Promise<RoutedAttachment> {
    const leg = {
      containerId: id,
      containerNetns: request.netnsPath,
      endpointId: e.endpointId,
      attachment: e.attachment,
      ...place,
      ...(e.wish.mac ? { mac: e.wish.mac } : {}),
      ...(local
        ? { formerDefault: { iface: local.containerIface, address: local.address, gateway: local.gateway } }
        : {}),
    };
    return this.#p.routed.attach(leg, beside);
  }

  #keep(id: string, details: RoutedDetails): NetworkAttachment {
    this.#attached.set(id, details);
    return this.#describe(id, details);
  }

  #describe(id: string, details: RoutedDetails, local = this.#p.local.endpoint(id)): NetworkAttachment {
    const networks = [
      ...(local && isOnLocalNetwork(local) ? [onBridge(id, local)] : []),
      ...details.routed.map((r) => infoOf(r, details.named.links?.[r.networkId] ?? {})),
    ];
    const [first] = networks;
    return {
      address: first?.address ?? local?.address ?? '',
      prefixLength: first?.prefixLength ?? local?.prefixLength ?? 0,
      // Where the first has addresses of IPv6 alone, the host is reached by the way out.
      gateway: first?.gateway || (local?.gateway ?? ''),
      mac: first?.mac ?? local?.mac ?? '',
      ports: local?.ports ?? [],
      // With the ports as they are now.
      details: { ...details, ...(local ? { local } : {}) },
      networks,
      nameserver: NAMESERVER,
    };
  }
}

function isRouted(details: unknown): details is RoutedDetails {
  return typeof details === 'object' && details !== null && 'kind' in details && details.kind === 'routed';
}

const isForBridge = (wish: NetworkWish): boolean => isWishFor(wish, builtinNetworks.bridge);

const isMember = ({ local }: RoutedDetails): boolean => local !== undefined && isOnLocalNetwork(local);

function placeOf({ mac }: NetworkWish, iface: string): LegWish {
  return { iface, ...(mac ? { mac } : {}) };
}

/** Those that the default route can lead to. */
function wishesWithWay(
  endpoints: readonly (ObtainedEndpoint & { readonly wish: NetworkWish })[],
  bridge: NetworkWish | undefined,
): readonly NetworkWish[] {
  const outward = endpoints.filter((e) => !areInternal([e.attachment])).map((e) => e.wish);
  return bridge ? [bridge, ...outward] : outward;
}

function notOn(id: string, network: string): SwarmtsError {
  return new SwarmtsError('not-found', `container ${id} is not on network ${network}`);
}

/** A container of the local network, as one that can be joined to others. */
function detailsOfPlain(id: string, attachment: NetworkAttachment, request: AttachRequest): RoutedDetails {
  return {
    kind: 'routed',
    local: attachment.details as LocalEndpoint,
    routed: [],
    obtained: [],
    name: request.name ?? id,
    named: namedOf(id, request, [], false, {}),
  };
}

function namedOf(
  id: string,
  request: AttachRequest,
  networkIds: readonly string[],
  isInternal: boolean,
  links: NonNullable<DnsContainer['links']>,
): DnsContainer {
  return {
    links,
    id,
    netns: request.netnsPath,
    networkIds,
    servers: request.dnsServers ?? [],
    isInternal,
  };
}

/** What a container is found by without anybody asking for it, as with Docker: programs tell others their hostname. */
function ownNames(id: string, hostname = ''): readonly string[] {
  return [id.slice(0, SHORT_ID_DIGITS), ...(hostname === '' ? [] : [hostname])];
}

function networkIdOf(e: ObtainedEndpoint): string {
  return e.attachment.network?.id ?? '';
}

function linksByNetwork(
  endpoints: readonly (ObtainedEndpoint & { readonly wish: NetworkWish })[],
): NonNullable<DnsContainer['links']> {
  return Object.fromEntries(
    endpoints.map(({ attachment, wish }) => {
      const names = (wish.links ?? []).map((l) => [l.alias.toLowerCase(), l.container.toLowerCase()]);
      return [attachment.network?.id ?? '', Object.fromEntries(names) as Record<string, string>];
    }),
  );
}

function interfacesOf({ routed, local }: RoutedDetails): ReadonlySet<string> {
  return new Set([...routed.map((r) => r.leg.iface), local?.containerIface ?? '']);
}

function infoOf(r: RoutedAttachment, links: Readonly<Record<string, string>>): ContainerNetworkInfo {
  const v4 = r.leg.addresses.find((a) => !a.address.includes(':'));
  const v6 = r.leg.addresses.find((a) => a.address.includes(':'));
  return {
    id: r.networkId,
    name: r.networkName,
    driver: networkDriver(r.network),
    endpointId: r.endpointId,
    address: v4?.address ?? '',
    prefixLength: v4?.prefixLength ?? 0,
    gateway: v4?.gateway ?? '',
    ipv6Address: v6?.address ?? '',
    ipv6PrefixLength: v6?.prefixLength ?? 0,
    ipv6Gateway: v6?.gateway ?? '',
    mac: r.leg.mac,
    aliases: r.aliases,
    links: Object.entries(links).map(([alias, container]) => ({ container, alias })),
  };
}
