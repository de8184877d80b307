/**
 * Who has which port of the host. A port without an address takes it on every address; two owners never overlap. Whether a
 * process outside of our control listens there is asked through a probe.
 */
import { isIP } from 'node:net';
import { isSwarmtsError, SwarmtsError } from '@swarmts/lib';

export type PortProtocol = 'tcp' | 'udp' | 'sctp';

export interface PortRequest {
  readonly protocol: PortProtocol;
  /** Address of the host. Absent and '' mean every one, 0.0.0.0 every one of IPv4, :: every one of IPv6. */
  readonly hostIp?: string;
  /** 0 lets us choose. */
  readonly publishedPort: number;
  /** Any free port from `publishedPort` up to this one. */
  readonly lastPublishedPort?: number;
  readonly targetPort: number;
}

export interface PublishedPort {
  readonly protocol: PortProtocol;
  /** '' for every address of IPv4, '::' for every one of IPv6. */
  readonly hostIp: string;
  readonly publishedPort: number;
  readonly targetPort: number;
}

export const EVERY_IPV6 = '::';

export function isOnIpv6(p: PublishedPort): boolean {
  return p.hostIp.includes(':');
}

/** Whether nobody listens on the port. */
export type PortProbe = (protocol: PortProtocol, hostIp: string, port: number) => Promise<boolean>;

/** Who has the port on every address of every node: a service; undefined when none has. */
export type MeshOwner = (protocol: PortProtocol, port: number) => string | undefined;

/** The ports that are chosen from: the kernel's own ephemeral range, as Docker does. */
export const FIRST_DYNAMIC_PORT = 32768;
export const LAST_DYNAMIC_PORT = 60999;
const DYNAMIC_PORTS = LAST_DYNAMIC_PORT - FIRST_DYNAMIC_PORT + 1;
/** Ports that processes hold and that we skip before giving up. */
const MAX_PROBES = 512;

export class PortTable {
  readonly #probe: PortProbe;
  readonly #hasIpv6: () => boolean;
  readonly #meshOwner: MeshOwner;
  /** "tcp/80" -> host address -> owner. */
  readonly #taken = new Map<string, Map<string, string>>();
  #nextDynamic = 0;

  /** `hasIpv6`: whether the host has IPv6 now, so that ports on every address are on those as well. */
  constructor(probe: PortProbe, hasIpv6: () => boolean = () => false, meshOwner: MeshOwner = () => undefined) {
    this.#probe = probe;
    this.#hasIpv6 = hasIpv6;
    this.#meshOwner = meshOwner;
  }

  /**
   * Reserves all ports or none. 'port-conflict' names the owner, or says that a process of the host listens. While the probe
   * is asked the port is held already. Those that are asked for by number come first: none of them is chosen for another one.
   */
  async reserve(owner: string, requests: readonly PortRequest[]): Promise<PublishedPort[]> {
    const reserved = new Map<PortRequest, readonly PublishedPort[]>();
    const all = () => requests.flatMap((r) => reserved.get(r) ?? []);
    try {
      for (const request of requests.toSorted((a, b) => freedom(a) - freedom(b))) {
        reserved.set(request, await this.#reserveOne(owner, request));
      }
    } catch (e) {
      this.release(all());
      throw e;
    }
    return all();
  }

  /** Takes ports that are known to be in force, after a restart: all or none, without asking the probe. */
  adopt(owner: string, ports: readonly PublishedPort[]): void {
    const taken: PublishedPort[] = [];
    try {
      for (const port of ports) {
        this.#take(owner, port);
        taken.push(port);
      }
    } catch (e) {
      this.release(taken);
      throw e;
    }
  }

  release(ports: readonly PublishedPort[]): void {
    for (const port of ports) this.#free(port);
  }

  async #reserveOne(owner: string, request: PortRequest): Promise<readonly PublishedPort[]> {
    const wanted = normalized(request);
    const onBoth = (request.hostIp ?? '') === '' && wanted.protocol !== 'sctp' && this.#hasIpv6();
    const at = (publishedPort: number): readonly PublishedPort[] => {
      const port = { ...wanted, publishedPort };
      return onBoth ? [port, { ...port, hostIp: EVERY_IPV6 }] : [port];
    };
    const { publishedPort, lastPublishedPort = publishedPort } = request;
    if (publishedPort === 0) return this.#reserveDynamic(owner, at);
    for (let n = publishedPort; n < lastPublishedPort; n++) {
      try {
        return await this.#reserveFixed(owner, at(n));
      } catch (e) {
        if (!isSwarmtsError(e, 'port-conflict')) throw e;
      }
    }
    return this.#reserveFixed(owner, at(lastPublishedPort));
  }

  /** One number, on addresses of both families where there are two. */
  async #reserveFixed(owner: string, ports: readonly PublishedPort[]): Promise<readonly PublishedPort[]> {
    for (const port of ports) this.#refuseMesh(port);
    this.adopt(owner, ports);
    const busy = await this.#firstBusy(ports);
    if (!busy) return ports;
    this.release(ports);
    throw new SwarmtsError(
      'port-conflict',
      `cannot publish ${portText(busy)}: address already in use by a process of the host`,
    );
  }

  async #reserveDynamic(
    owner: string,
    at: (publishedPort: number) => readonly PublishedPort[],
  ): Promise<readonly PublishedPort[]> {
    let probes = 0;
    for (let i = 0; i < DYNAMIC_PORTS && probes < MAX_PROBES; i++) {
      const ports = at(FIRST_DYNAMIC_PORT + this.#nextDynamic);
      this.#nextDynamic = (this.#nextDynamic + 1) % DYNAMIC_PORTS;
      if (ports.some((p) => (this.#ownerOf(p) ?? this.#meshOwner(p.protocol, p.publishedPort)) !== undefined)) continue;
      this.adopt(owner, ports);
      probes++;
      if (!(await this.#firstBusy(ports))) return ports;
      this.release(ports);
    }
    throw new SwarmtsError('resource-exhausted', `no free ${at(0)[0]?.protocol} port is left to publish`);
  }

  /** The one that a process of the host has. */
  async #firstBusy(ports: readonly PublishedPort[]): Promise<PublishedPort | undefined> {
    try {
      for (const port of ports) {
        if (!(await this.#probe(port.protocol, port.hostIp, port.publishedPort))) return port;
      }
      return undefined;
    } catch (e) {
      this.release(ports);
      throw e;
    }
  }

  #refuseMesh(port: PublishedPort): void {
    const service = this.#meshOwner(port.protocol, port.publishedPort);
    if (service === undefined) return;
    throw new SwarmtsError(
      'port-conflict',
      `cannot publish ${portText(port)}: port is already allocated by service ${service}, which has it on every node`,
    );
  }

  #take(owner: string, port: PublishedPort): void {
    const holder = this.#ownerOf(port);
    if (holder !== undefined) {
      throw new SwarmtsError(
        'port-conflict',
        `cannot publish ${portText(port)}: port is already allocated by container ${holder}`,
      );
    }
    const key = keyOf(port);
    const addresses = this.#taken.get(key) ?? new Map<string, string>();
    addresses.set(port.hostIp, owner);
    this.#taken.set(key, addresses);
  }

  #ownerOf(port: PublishedPort): string | undefined {
    const addresses = this.#taken.get(keyOf(port));
    if (addresses === undefined) return undefined;
    const every = isOnIpv6(port) ? EVERY_IPV6 : '';
    if (port.hostIp !== every) return addresses.get(port.hostIp) ?? addresses.get(every);
    const family = every.includes(':');
    return [...addresses].find(([address]) => address.includes(':') === family)?.[1];
  }

  #free(port: PublishedPort): void {
    const key = keyOf(port);
    const addresses = this.#taken.get(key);
    addresses?.delete(port.hostIp);
    if (addresses?.size === 0) this.#taken.delete(key);
  }
}

/** How much is left to us: nothing, a range, everything. */
function freedom({ publishedPort, lastPublishedPort = publishedPort }: PortRequest): number {
  return publishedPort === 0 ? 2 : lastPublishedPort > publishedPort ? 1 : 0;
}

function keyOf(port: PublishedPort): string {
  return `${port.protocol}/${port.publishedPort}`;
}

function portText(port: PublishedPort): string {
  const address = isOnIpv6(port) ? `[${port.hostIp}]` : port.hostIp;
  return `${address === '' ? '0.0.0.0' : address}:${port.publishedPort}/${port.protocol}`;
}

const MAX_PORT = 65535;

function normalized(request: PortRequest): PublishedPort {
  const { protocol, publishedPort, targetPort, lastPublishedPort = publishedPort } = request;
  const hostIp = request.hostIp === undefined || request.hostIp === '0.0.0.0' ? '' : request.hostIp;
  if (!isPort(targetPort) || targetPort === 0 || !isPort(publishedPort)) {
    throw new SwarmtsError('invalid-argument', `no valid ports: ${publishedPort}:${targetPort}/${protocol}`);
  }
  if (!isPort(lastPublishedPort) || lastPublishedPort < publishedPort) {
    throw new SwarmtsError('invalid-argument', `no valid range of ports: ${publishedPort}-${lastPublishedPort}`);
  }
  if (hostIp !== '' && isIP(hostIp) === 0) {
    throw new SwarmtsError('invalid-argument', `invalid address of the host for a published port: ${hostIp}`);
  }
  if (hostIp.includes(':') && protocol === 'sctp') {
    throw new SwarmtsError('unsupported', `SCTP is published on IPv4 addresses alone, not on ${hostIp}`);
  }
  return { protocol, hostIp, publishedPort, targetPort };
}

function isPort(n: number): boolean {
  return Number.isInteger(n) && n >= 0 && n <= MAX_PORT;
}
