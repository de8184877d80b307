/** What the engine needs from the node's networks. It knows addresses and ports; how they are made is the networks' business. */
import type { LinkedPort } from '@swarmts/netplugins';
import type { ContainerNetworkInfo } from './container-api.js';
import type { NetworkWish, PublishedPort } from './container-config.js';

export interface AttachRequest {
  /** Where the network namespace file is to be made. */
  readonly netnsPath: string;
  readonly ports: readonly PublishedPort[];
  /** Absent: the node's local one alone. */
  readonly networks?: readonly NetworkWish[];
  /** Name of the container. */
  readonly name?: string;
  /** Others on networks with names find it by this as well. */
  readonly hostname?: string;
  /** Its own choice of name servers, where it has made one. */
  readonly dnsServers?: readonly string[];
  /** Of the node's local network, open to it in any case. */
  readonly links?: readonly LinkedPort[];
}

export interface NetworkAttachment {
  readonly address: string;
  readonly prefixLength: number;
  readonly gateway: string;
  readonly mac: string;
  /** With the ports that were chosen. */
  readonly ports: readonly PublishedPort[];
  /** What the network wants back in `restore`: plain data that survives JSON; nobody else looks into it. */
  readonly details?: unknown;
  /** The networks that were wished for; absent on the node's local one. */
  readonly networks?: readonly ContainerNetworkInfo[];
  /** Name server that the container is to ask instead of the host's. */
  readonly nameserver?: string;
}

export interface RestoredAttachment {
  readonly id: string;
  readonly netnsPath: string;
  readonly attachment: NetworkAttachment;
}

export interface ContainerNetwork {
  /** Makes the namespace with its interface and publishes the ports. A taken port: SwarmtsError 'port-conflict'; nothing is left behind. */
  attach(id: string, request: AttachRequest): Promise<NetworkAttachment>;
  /** Joins a running container to one more network. `beside` is called with what it comes to, while that is being made. */
  connect?(
    id: string,
    attachment: NetworkAttachment,
    request: AttachRequest,
    wish: NetworkWish,
    beside: (planned: NetworkAttachment) => Promise<void>,
  ): Promise<NetworkAttachment>;
  /** Takes a running container off a network. 'not-found' when it is not on it. `beside` as with `connect`, where the container gets another leg. */
  disconnect?(
    id: string,
    attachment: NetworkAttachment,
    request: AttachRequest,
    networkId: string,
    beside: (planned: NetworkAttachment) => Promise<void>,
  ): Promise<NetworkAttachment>;
  /** A running container has another name. */
  rename?(id: string, attachment: NetworkAttachment, name: string): Promise<NetworkAttachment>;
  /** Where containers that are linked to a running one reach it; undefined when it is not on the node's local network. */
  linkAddress?(id: string): string | undefined;
  /** Replaces the ports of others that are open to a running container in any case. */
  link?(id: string, attachment: NetworkAttachment, links: readonly LinkedPort[]): Promise<NetworkAttachment>;
  /** Withdraws the ports and drops the namespace; unknown ids are no error. */
  detach(id: string): Promise<void>;
  /**
   * After a restart: these attachments are in use; everything else that is left from before goes away. Resolves to the ids
   * that cannot be taken up again: their containers have no network any more.
   */
  restore(attachments: readonly RestoredAttachment[]): Promise<readonly string[]>;
}
