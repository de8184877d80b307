/**
 * Between the daemon and its name server, over a unix socket: lines of JSON. The daemon sends what has changed since the connection
 * began (the first message replaces everything), the name server acknowledges each message when it is in force.
 */
import type { ControlMessage } from '../control/serve-control.js';
import type { NamesChange } from './names.js';

/** Another number means another build: the old process ends, and the daemon starts its own. */
export const DNS_PROTOCOL = 3;

/** What the name server has to know of a container. */
export interface DnsContainer {
  readonly id: string;
  readonly netns: string;
  /** In the order in which they are searched. */
  readonly networkIds: readonly string[];
  /** Asked instead of the host's servers, from inside of the container's namespace. */
  readonly servers: readonly string[];
  /** Nothing is asked outside. */
  readonly isInternal: boolean;
  /** Names that this container alone has for others: by network, name by alias, both in lower case. */
  readonly links?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export interface DnsUpdate extends ControlMessage {
  /** Replaces everything that is known. */
  readonly reset: boolean;
  readonly networks: readonly NamesChange[];
  readonly removedNetworkIds: readonly string[];
  readonly containers: readonly DnsContainer[];
  readonly removedContainerIds: readonly string[];
}

export interface DnsAcknowledgement {
  /** Containers whose sockets could not be opened, with the reason. */
  readonly failed: Readonly<Record<string, string>>;
}
