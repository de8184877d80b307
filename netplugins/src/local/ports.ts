/**
 * Who has which port of the host. A port without an address takes it on every address; two owners never overlap. Whether a
 * process outside of our control listens there is asked through a probe.
 */
import { isSwarmtsError, SwarmtsError } from '@swarmts/lib';

export type PortProtocol = 'tcp' | 'udp' | 'sctp';

export interface PortRequest {
  readonly protocol: PortProtocol;
  /** IPv4 address of the host; absent, '' and 0.0.0.0 mean every one. */
  readonly hostIp?: string;
  /** 0 lets us choose. */
  readonly publishedPort: number;
  /** Any free port from `publishedPort` up to this one. */
  readonly lastPublishedPort?: number;
  readonly targetPort: number;
}

export interface PublishedPort {
  readonly protocol: PortProtocol;
  /** '' for every address. */
  readonly hostIp: string;
  readonly publishedPort: number;
  readonly targetPort: number;
}

/** Whether nobody listens on the port. */
export type PortProbe = (protocol: PortProtocol, hostIp: string, port: number) => Promise<boolean>;

/** The ports that are chosen from: the kernel's own ephemeral range, as Docker does. */
export const FIRST_DYNAMIC_PORT = 32768;
export const LAST_DYNAMIC_PORT = 60999;
const DYNAMIC_PORTS = LAST_DYNAMIC_PORT - FIRST_DYNAMIC_PORT + 1;
/** Ports that processes hold and that we skip before giving up. */
const MAX_PROBES = 512;

export class PortTable {
  readonly #probe: PortProbe;
  /** "tcp/80" -> host address ('' for all) -> owner. */
  readonly #taken = new Map<string, Map<string, string>>();
  #nextDynamic = 0;

  constructor(probe: PortProbe) {
    this.#probe = probe;
  }

  /**
   * Reserves all ports or none. 'port-conflict' names the owner, or says that a process of the host listens. While the probe
   * is asked the port is held already.
   */
  async reserve(owner: string, requests: readonly PortRequest[]): Promise<PublishedPort[]> {
    const reserved: PublishedPort[] = [];
    try {
      for (const request of requests) reserved.push(await this.#reserveOne(owner, normalized(request), request));
    } catch (e) {
      for (const port of reserved) this.#free(port);
      throw e;
    }
    return reserved;
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

  async #reserveOne(owner: string, port: PublishedPort, request: PortRequest): Promise<PublishedPort> {
    const { publishedPort, lastPublishedPort = publishedPort } = request;
    if (publishedPort === 0) return this.#reserveDynamic(owner, port);
    for (let n = publishedPort; n < lastPublishedPort; n++) {
      try {
        return await this.#reserveFixed(owner, { ...port, publishedPort: n });
      } catch (e) {
        if (!isSwarmtsError(e, 'port-conflict')) throw e;
      }
    }
    return this.#reserveFixed(owner, { ...port, publishedPort: lastPublishedPort });
  }

  async #reserveFixed(owner: string, request: PublishedPort): Promise<PublishedPort> {
    this.#take(owner, request);
    if (await this.#isFree(request)) return request;
    this.#free(request);
    throw new SwarmtsError(
      'port-conflict',
      `cannot publish ${portText(request)}: address already in use by a process of the host`,
    );
  }

  async #reserveDynamic(owner: string, request: PublishedPort): Promise<PublishedPort> {
    let probes = 0;
    for (let i = 0; i < DYNAMIC_PORTS && probes < MAX_PROBES; i++) {
      const port = { ...request, publishedPort: FIRST_DYNAMIC_PORT + this.#nextDynamic };
      this.#nextDynamic = (this.#nextDynamic + 1) % DYNAMIC_PORTS;
      if (this.#ownerOf(port) !== undefined) continue;
      this.#take(owner, port);
      probes++;
      if (await this.#isFree(port)) return port;
      this.#free(port);
    }
    throw new SwarmtsError('resource-exhausted', `no free ${request.protocol} port is left to publish`);
  }

  async #isFree(port: PublishedPort): Promise<boolean> {
    try {
      return await this.#probe(port.protocol, port.hostIp, port.publishedPort);
    } catch (e) {
      this.#free(port);
      throw e;
    }
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
    if (port.hostIp === '') return addresses.values().next().value;
    return addresses.get(port.hostIp) ?? addresses.get('');
  }

  #free(port: PublishedPort): void {
    const key = keyOf(port);
    const addresses = this.#taken.get(key);
    addresses?.delete(port.hostIp);
    if (addresses?.size === 0) this.#taken.delete(key);
  }
}

function keyOf(port: PublishedPort): string {
  return `${port.protocol}/${port.publishedPort}`;
}

function portText(port: PublishedPort): string {
  return `${port.hostIp === '' ? '0.0.0.0' : port.hostIp}:${port.publishedPort}/${port.protocol}`;
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
  if (hostIp !== '' && !IPV4.test(hostIp)) {
    throw new SwarmtsError('invalid-argument', `the host address of a published port is IPv4, not ${hostIp}`);
  }
  return { protocol, hostIp, publishedPort, targetPort };
}

const IPV4 = /^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/;

function isPort(n: number): boolean {
  return Number.isInteger(n) && n >= 0 && n <= MAX_PORT;
}
