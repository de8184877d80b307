/** What the engine needs from the node-local network. It knows addresses and ports; how they are made is the network's business. */
import type { PublishedPort } from './engine-api.js';

export interface AttachRequest {
  /** Where the network namespace file is to be made. */
  readonly netnsPath: string;
  readonly ports: readonly PublishedPort[];
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
}

export interface RestoredAttachment {
  readonly id: string;
  readonly netnsPath: string;
  readonly attachment: NetworkAttachment;
}

export interface ContainerNetwork {
  /** Makes the namespace with its interface and publishes the ports. A taken port: SwarmtsError 'port-conflict'; nothing is left behind. */
  attach(id: string, request: AttachRequest): Promise<NetworkAttachment>;
  /** Withdraws the ports and drops the namespace; unknown ids are no error. */
  detach(id: string): Promise<void>;
  /**
   * After a restart: these attachments are in use; everything else that is left from before goes away. Resolves to the ids
   * that cannot be taken up again: their containers have no network any more.
   */
  restore(attachments: readonly RestoredAttachment[]): Promise<readonly string[]>;
}
