/**
 * All networks of the node as the engine needs them. A container without wishes is on the node's local network alone; others get
 * one leg per network, and a leg of the local one as their way out, unless all their networks are internal and they publish
 * nothing. The ingress network's leg has the default route, so that whatever comes in through the mesh is answered there.
 */
import { rm } from 'node:fs/promises';
import { type Logger, messageOf, SwarmtsError, together } from '@swarmts/lib';
import {
  type DnsContainer,
  type LinkedPort,
  type LocalEndpoint,
  type LocalNetwork,
  macvlanOf,
  NAMESERVER,
  type RoutedAttachment,
  type RoutedNetworks,
} from '@swarmts/netplugins';
import type { NetworkAttachment as SwarmAttachment } from '@swarmts/proto';
import type { PrivilegedHelper } from '../helper/helper-api.js';
import type { AttachRequest, ContainerNetwork, NetworkAttachment, RestoredAttachment } from './container-network.js';
import type { ContainerNetworkInfo, NetworkWish } from './engine-api.js';
import { LocalContainerNetwork } from './local-container-network.js';

export interface ObtainedEndpoint {
  readonly endpointId: string;
  readonly attachment: SwarmAttachment;
}

/** Gets addresses for containers that no manager has sent here: on networks of the node, or from the managers. */
export interface EndpointSource {
  /** 'not-found' when there is no such network. */
  obtain(wish: NetworkWish, container: { readonly id: string; readonly name: string }): Promise<ObtainedEndpoint>;
  giveBack(endpointId: string): Promise<void>;
  /** After a restart: the container is on the network still. */
  adopt?(attachment: RoutedAttachment, containerName: string): void;
}

export interface NameService {
  /** Resolves when the container's questions are answered. */
  put(container: DnsContainer): Promise<void>;
  remove(containerId: string): void;
}

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
  readonly helper: Pick<PrivilegedHelper, 'createNetns' | 'detachLocal'>;
  readonly source: EndpointSource;
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
    const wishes = request.networks ?? [];
    if (wishes.length === 0) return this.#plain.attach(id, request);
    const obtained: string[] = [];
    const made: RoutedAttachment[] = [];
    let local: LocalEndpoint | undefined;
    try {
      const endpoints: (ObtainedEndpoint & { readonly wish: NetworkWish })[] = [];
      for (const wish of wishes) endpoints.push({ ...(await this.#obtain(wish, id, request, obtained)), wish });
      const isInternal = endpoints.every((e) => e.attachment.network?.spec?.internal ?? false);
      const hasOwnWayOut = endpoints.some((e) => e.attachment.network && macvlanOf(e.attachment.network));
      if (!hasOwnWayOut && (!isInternal || request.ports.length > 0)) {
        local = await this.#p.local.attach(id, { netns: request.netnsPath, gatewayOnly: true });
      } else await this.#p.helper.createNetns(request.netnsPath);
      const named = namedOf(id, request, endpoints.map(networkIdOf), isInternal, linksByNetwork(endpoints));
      const way = local;
      const join = async () => {
        for (const [i, e] of endpoints.entries()) made.push(await this.#join(id, request, e, `eth${i}`, way));
      };
      await together(join(), this.#p.names.put(named));
      if (local && request.ports.length > 0) await this.#p.local.publish(id, request.ports);
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
      await this.#takeDown(id, request.netnsPath, made, obtained, local !== undefined);
      throw e;
    }
  }

  async connect(
    id: string,
    attachment: NetworkAttachment,
    request: AttachRequest,
    wish: NetworkWish,
    beside: (planned: NetworkAttachment) => Promise<void>,
  ): Promise<NetworkAttachment> {
    const before = this.#attached.get(id) ?? detailsOfPlain(id, attachment, request);
    const refuse = (networks: readonly (string | undefined)[]) => {
      if (!before.routed.some((r) => networks.includes(r.networkId) || networks.includes(r.networkName))) return;
      throw new SwarmtsError('conflict', `container ${id} is on network ${wish.target} already`);
    };
    refuse([wish.target]);
    const obtained: string[] = [];
    let joined: RoutedAttachment | undefined;
    try {
      const endpoint = { ...(await this.#obtain(wish, id, request, obtained)), wish };
      refuse([endpoint.attachment.network?.id]);
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
        joined = await this.#join(id, request, endpoint, freeInterface(before), undefined, (planned) =>
          beside(this.#describe(id, withLeg(planned))),
        );
        return joined;
      };
      return this.#keep(id, withLeg(await together(join(), this.#p.names.put(named))));
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
    if (joined) await this.#p.routed.disconnect(joined);
    if (!this.#attached.has(id)) this.#p.names.remove(id);
    else await this.#p.names.put(before.named).catch((e: unknown) => this.#unnamed(id, e));
    // It is the container's already where it is on the network already.
    for (const o of obtained) if (!before.obtained.includes(o)) await this.#p.source.giveBack(o);
  }

  #unnamed(container: string, e: unknown): void {
    this.#p.logger.warn('a container has no name server for now', { container, error: messageOf(e) });
  }

  async disconnect(id: string, _attachment: NetworkAttachment, networkId: string): Promise<NetworkAttachment> {
    const before = this.#attached.get(id);
    const gone = before?.routed.find((r) => r.networkId === networkId);
    if (!before || !gone) throw new SwarmtsError('not-found', `container ${id} is not on network ${networkId}`);
    await this.#p.routed.disconnect(gone);
    if (before.obtained.includes(gone.endpointId)) await this.#p.source.giveBack(gone.endpointId);
    const routed = before.routed.filter((r) => r !== gone);
    const named = { ...before.named, networkIds: routed.map((r) => r.networkId) };
    await this.#p.names.put(named);
    const obtained = before.obtained.filter((o) => o !== gone.endpointId);
    return this.#keep(id, { ...before, routed, named, obtained });
  }

  linkAddress(id: string): string | undefined {
    return this.#plain.linkAddress(id);
  }

  async link(id: string, attachment: NetworkAttachment, links: readonly LinkedPort[]): Promise<NetworkAttachment> {
    const details = this.#attached.get(id);
    const linked = await this.#plain.link(id, attachment, links);
    return details ? this.#keep(id, details) : linked;
  }

  async detach(id: string): Promise<void> {
    const details = this.#attached.get(id);
    if (!details) return this.#plain.detach(id);
    this.#attached.delete(id);
    await this.#takeDown(id, details.named.netns, details.routed, details.obtained, details.local !== undefined);
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
    if (wish.given) return wish.given;
    const endpoint = await this.#p.source.obtain(wish, { id, name: request.name ?? id });
    obtained.push(endpoint.endpointId);
    return endpoint;
  }

  #join(
    id: string,
    request: AttachRequest,
    e: ObtainedEndpoint & { readonly wish: NetworkWish },
    iface: string,
    local: LocalEndpoint | undefined,
    beside?: (planned: RoutedAttachment) => Promise<void>,
  ): Promise<RoutedAttachment> {
    const leg = {
      containerId: id,
      containerNetns: request.netnsPath,
      endpointId: e.endpointId,
      attachment: e.attachment,
      iface,
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

  #describe(id: string, details: RoutedDetails): NetworkAttachment {
    const networks = details.routed.map((r) => infoOf(r, details.named.links?.[r.networkId] ?? {}));
    const [first] = networks;
    const local = this.#p.local.endpoint(id);
    return {
      address: first?.address ?? local?.address ?? '',
      prefixLength: first?.prefixLength ?? local?.prefixLength ?? 0,
      gateway: first?.gateway ?? local?.gateway ?? '',
      mac: first?.mac ?? local?.mac ?? '',
      ports: local?.ports ?? [],
      // With the ports as they are now.
      details: { ...details, ...(local ? { local } : {}) },
      networks,
      nameserver: NAMESERVER,
    };
  }

  async #takeDown(
    id: string,
    netns: string,
    routed: readonly RoutedAttachment[],
    obtained: readonly string[],
    hasLocal: boolean,
  ): Promise<void> {
    this.#p.names.remove(id);
    for (const r of routed) this.#p.routed.detach(r);
    if (hasLocal) await this.#p.local.detach(id);
    await this.#p.helper.detachLocal(netns);
    for (const o of obtained) await this.#p.source.giveBack(o);
    await rm(netns, { force: true });
  }
}

function isRouted(details: unknown): details is RoutedDetails {
  return typeof details === 'object' && details !== null && 'kind' in details && details.kind === 'routed';
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

function freeInterface(details: RoutedDetails): string {
  const taken = new Set([...details.routed.map((r) => r.leg.iface), details.local?.containerIface ?? '']);
  let n = 0;
  while (taken.has(`eth${n}`)) n++;
  return `eth${n}`;
}

function infoOf(r: RoutedAttachment, links: Readonly<Record<string, string>>): ContainerNetworkInfo {
  const v4 = r.leg.addresses.find((a) => !a.address.includes(':'));
  const v6 = r.leg.addresses.find((a) => a.address.includes(':'));
  return {
    id: r.networkId,
    name: r.networkName,
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
