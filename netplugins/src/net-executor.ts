/**
 * What the network drivers ask of the privileged helper. It is declared here so that the drivers depend on nobody above
 * them; the helper's client fits by its shape, and tests pass a recorder.
 */

/** One container's attachment to the node's local network. All addresses are IPv4 dotted quads. */
export interface LocalAttachmentSpec {
  readonly netns: string;
  readonly hostIface: string;
  readonly containerIface: string;
  readonly address: string;
  readonly prefixLength: number;
  readonly gateway: string;
  readonly mac: string;
  readonly mtu: number;
  readonly sysctls?: Readonly<Record<string, string>>;
}

/** A container's leg that is as it was made. */
export interface SoundLeg {
  readonly address: string;
  readonly mtu: number;
}

export interface NetExecutor {
  /** Ensures namespace, veth, address and routes. */
  attachLocal(spec: LocalAttachmentSpec): Promise<void>;
  /** Makes the host forward, where somebody has turned that off. */
  requireForwarding(): Promise<void>;
  /** Those that are there and up, have their route, and still forward what is theirs and nothing else. */
  soundLegs(): Promise<readonly SoundLeg[]>;
  /** As `attachLocal`, but in a namespace that is there; false when it is not. A default route over another device stays. */
  repairLocal(spec: LocalAttachmentSpec): Promise<boolean>;
  /** Drops a namespace file; absent is no error. */
  detachLocal(netns: string): Promise<void>;
  /** Deletes an interface in a namespace; absent is no error. */
  detachDevice(netns: string, iface: string): Promise<void>;
  /** Ensures a namespace that has only its loopback, up. */
  createNetns(netns: string, sysctls?: Readonly<Record<string, string>>): Promise<void>;
  /** Applies one nftables document as one transaction. */
  nft(document: string): Promise<void>;
  /** Output of an nft command, with options in front as with nft(8): "-a list chains". */
  nftList(command: string): Promise<string>;
  /** Forgets tracked connections, so that packets of a running flow are looked at anew. */
  flushConnections(filter: ConnectionFilter): Promise<void>;
}

/** Which tracked connections: those that end at a container, or those to a port of the host. */
export type ConnectionFilter =
  | { readonly backend: string }
  | { readonly protocol: 'udp' | 'sctp'; readonly destinationPort: number };
