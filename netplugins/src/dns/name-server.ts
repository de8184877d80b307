/** The name server of all containers of a node: their sockets, the names of their networks, and what is asked of others. */
import { createSocket } from 'node:dgram';
import { isIPv6, Socket } from 'node:net';
import { type Clock, type Logger, messageOf, type Random } from '@swarmts/lib';
import { bindUdp, connectTcp, DatagramBatch, type NftLibrary, netnsInode, withNetns } from 'vxlan-tools';
import { ContainerSockets, NAMESERVER } from './container-sockets.js';
import type { Forwarder, Outlet } from './forwarder.js';
import { linkedNetwork, lookUp, RecordCache, TTL_SECONDS } from './lookup.js';
import { encodeAnswer, encodeFormatError, parseQuery, type Query, ResponseCode } from './message.js';
import { type NetworkNames, withChange } from './names.js';
import type { DnsAcknowledgement, DnsContainer, DnsUpdate } from './protocol.js';

export interface NameServerOptions {
  readonly forwarder: Forwarder;
  readonly nft: NftLibrary;
  /** The host's own name servers, as of now. */
  readonly hostServers: () => readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Questions that are taken at once. */
const BATCH_SIZE = 32;
/** What is longer is no question that anybody asks over UDP; answers are shorter in any case. */
const MAX_QUERY_BYTES = 4_096;

interface Served {
  readonly container: DnsContainer;
  /** Of the namespace that the sockets are in: the file may have become another one's. */
  readonly inode: number;
  readonly sockets: ContainerSockets;
}

export class NameServer {
  readonly #o: NameServerOptions;
  readonly #networks = new Map<string, NetworkNames>();
  readonly #served = new Map<string, Served>();
  readonly #records = new RecordCache();
  readonly #batch = new DatagramBatch(BATCH_SIZE, MAX_QUERY_BYTES);

  constructor(options: NameServerOptions) {
    this.#o = options;
  }

  get containers(): number {
    return this.#served.size;
  }

  /** Updates are applied one after the other by the caller. */
  async apply(u: DnsUpdate): Promise<DnsAcknowledgement> {
    if (u.reset) this.#networks.clear();
    for (const id of u.removedNetworkIds) this.#networks.delete(id);
    for (const n of u.networks) this.#networks.set(n.id, withChange(this.#networks.get(n.id), n));
    const known = new Set(u.containers.map((c) => c.id));
    const gone = u.reset ? [...this.#served.keys()].filter((id) => !known.has(id)) : u.removedContainerIds;
    for (const id of gone) this.#stop(id);
    const failed: Record<string, string> = {};
    for (const c of u.containers) {
      try {
        await this.#serve(c);
      } catch (e) {
        this.#stop(c.id);
        failed[c.id] = messageOf(e);
      }
    }
    return { failed };
  }

  close(): void {
    for (const id of [...this.#served.keys()]) this.#stop(id);
  }

  async #serve(container: DnsContainer): Promise<void> {
    const known = this.#served.get(container.id);
    const inode = netnsInode(container.netns);
    if (known?.inode === inode) {
      this.#served.set(container.id, { ...known, container });
      return;
    }
    this.#stop(container.id);
    const answer = (message: Buffer, overUdp: boolean) => this.#answer(container.id, message, overUdp);
    const { netns } = container;
    const sockets = await ContainerSockets.open({ netns, nft: this.#o.nft, answer, batch: this.#batch });
    this.#served.set(container.id, { container, inode, sockets });
  }

  #stop(id: string): void {
    this.#served.get(id)?.sockets.close();
    this.#served.delete(id);
  }

  /** What is known here is answered at once; a promise for every question would cost more than the answer. */
  #answer(id: string, message: Buffer, overUdp: boolean): Buffer | undefined | Promise<Buffer> {
    const container = this.#served.get(id)?.container;
    const query = parseQuery(message);
    if (!container) return undefined;
    if (!query) return encodeFormatError(message);
    try {
      if (query.ednsVersion > 0) return reply(query, overUdp, ResponseCode.badVersion);
      if (query.opcode !== 0 || !query.isInternet) return reply(query, overUdp, ResponseCode.notImplemented);
      const networks = container.networkIds.flatMap((n) => this.#networks.get(n) ?? []);
      const link = container.links && linkedNetwork(query.name, networks, container.links);
      const [name, where] = link ? [link.name, [link.network]] : [query.name, networks];
      const own = lookUp(name, query.type, where, this.#o.random, this.#records);
      if (own) return reply(query, overUdp, own.code, own.records);
      if (container.isInternal) return reply(query, overUdp, ResponseCode.noSuchName);
      return this.#askOthers(container, query, message, overUdp);
    } catch (e) {
      return this.#failed(query, overUdp, e);
    }
  }

  /** Until they have answered the bytes of the question are another one's. */
  async #askOthers(container: DnsContainer, q: Query, message: Buffer, overUdp: boolean): Promise<Buffer> {
    const query = { ...q, question: Buffer.from(q.question) };
    try {
      const bytes = await this.#forward(container, Buffer.from(message), overUdp);
      return bytes ?? reply(query, overUdp, ResponseCode.serverFailure);
    } catch (e) {
      return this.#failed(query, overUdp, e);
    }
  }

  #failed(query: Query, overUdp: boolean, e: unknown): Buffer {
    this.#o.log.warn('a question was not answered', { name: query.name, error: messageOf(e) });
    return reply(query, overUdp, ResponseCode.serverFailure);
  }

  #forward(c: DnsContainer, message: Buffer, overUdp: boolean): Promise<Buffer | undefined> {
    // Its own choice may be reachable from its networks alone. We would ask ourselves again and again.
    const chosen = c.servers.filter((server) => server !== NAMESERVER);
    const own = chosen.length > 0;
    return this.#o.forwarder.forward({
      client: c.id,
      message,
      servers: own ? chosen : this.#o.hostServers(),
      overTcp: !overUdp,
      ...(own ? { outlet: outletOf(c.netns) } : {}),
    });
  }
}

function reply(query: Query, overUdp: boolean, code: number, records: readonly Buffer[] = []): Buffer {
  return encodeAnswer(query, { code, records, ttlSeconds: TTL_SECONDS }, overUdp);
}

/** From inside of a container's namespace. */
function outletOf(netns: string): Outlet {
  return {
    udp(server) {
      const isV6 = isIPv6(server);
      const { fd } = withNetns(netns, () => bindUdp(isV6 ? '::' : '0.0.0.0', 0));
      const socket = createSocket(isV6 ? 'udp6' : 'udp4');
      socket.bind({ fd });
      return socket;
    },
    tcp: (server, port) => new Socket({ fd: withNetns(netns, () => connectTcp(server, port)) }),
  };
}
