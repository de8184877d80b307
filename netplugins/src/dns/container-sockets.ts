/**
 * The name server's sockets in one container: 127.0.0.11 on ports that the kernel chooses, so that a name server of the container's
 * own may have port 53. Stateless rules turn port 53 into them and back; connection tracking would slow down all of its traffic.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import {
  type BoundSocket,
  bindUdp,
  closeFd,
  type DatagramBatch,
  listenTcp,
  NftContext,
  type NftLibrary,
  withNetns,
} from 'vxlan-tools';
import { TcpQuestions } from './tcp-questions.js';

export const NAMESERVER = '127.0.0.11';
const TABLE = 'swarmts-dns';
/** Of one container; a client that opens more loses the oldest ones' answers. */
const MAX_TCP_CLIENTS = 32;

/** Answers one message, which is the caller's again as soon as this returns; undefined: nothing is sent. */
export type Answerer = (message: Buffer, overUdp: boolean) => Buffer | undefined | Promise<Buffer | undefined>;

export interface OpenOptions {
  readonly netns: string;
  readonly nft: NftLibrary;
  readonly answer: Answerer;
  /** May be shared by all sockets of the process. */
  readonly batch: DatagramBatch;
}

export class ContainerSockets {
  readonly #udp: UdpSocket;
  readonly #tcp: Server;
  readonly #clients = new Set<Socket>();
  #closed = false;

  private constructor(udp: UdpSocket, tcp: Server) {
    this.#udp = udp;
    this.#tcp = tcp;
  }

  /** Throws when the namespace is gone or its rules cannot be written. */
  static async open(o: OpenOptions): Promise<ContainerSockets> {
    const { netns, nft, answer, batch } = o;
    const [udpFd, tcpFd] = withNetns(netns, () => openBoth(nft));
    const sockets = new ContainerSockets(createSocket({ type: 'udp4', lookup: isAddress }), createServer());
    sockets.#serveUdp(answer, udpFd.fd, batch);
    sockets.#serveTcp(answer);
    await Promise.all([
      new Promise<void>((resolve, reject) => {
        sockets.#udp.once('error', reject);
        sockets.#udp.bind({ fd: udpFd.fd }, resolve);
      }),
      new Promise<void>((resolve, reject) => {
        sockets.#tcp.once('error', reject);
        sockets.#tcp.listen({ fd: tcpFd.fd }, resolve);
      }),
    ]);
    sockets.#udp.on('error', () => undefined);
    sockets.#tcp.on('error', () => undefined);
    return sockets;
  }

  close(): void {
    this.#closed = true;
    this.#udp.close();
    this.#tcp.close();
    for (const c of this.#clients) c.destroy();
  }

  /** Node says that something has come, and brings the first question; those behind it are answered by two calls together. */
  #serveUdp(answer: Answerer, fd: number, batch: DatagramBatch): void {
    this.#udp.on('message', (message, from) => {
      const bytes = answer(message, true);
      if (bytes instanceof Promise) this.#replyLater(bytes, from);
      else if (bytes) this.#udp.send(bytes, from.port, from.address);
      if (!this.#closed) this.#answerWaiting(answer, fd, batch);
    });
  }

  #answerWaiting(answer: Answerer, fd: number, batch: DatagramBatch): void {
    let count: number;
    try {
      count = batch.receive(fd);
    } catch {
      // An error of the socket: whoever waits asks again.
      return;
    }
    for (let i = 0; i < count; i++) {
      const bytes = answer(batch.message(i), true);
      if (bytes instanceof Promise) this.#replyLater(bytes, batch.sender(i));
      else if (bytes) batch.answer(i, bytes);
    }
    batch.send(fd);
  }

  #replyLater(bytes: Promise<Buffer | undefined>, to: { readonly address: string; readonly port: number }): void {
    void bytes.then((b) => {
      if (b && !this.#closed) this.#udp.send(b, to.port, to.address);
    });
  }

  #serveTcp(answer: Answerer): void {
    this.#tcp.on('connection', (client) => {
      const [oldest] = this.#clients;
      if (this.#clients.size >= MAX_TCP_CLIENTS) oldest?.destroy();
      this.#clients.add(client);
      client.on('close', () => this.#clients.delete(client));
      new TcpQuestions(client, answer);
    });
  }
}

/** Who asks is known by its address: Node would have it looked up, in another turn. */
function isAddress(
  address: string,
  _options: unknown,
  found: (e: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void {
  found(null, address, 4);
}

function openBoth(nft: NftLibrary): [BoundSocket, BoundSocket] {
  const udp = bindUdp(NAMESERVER, 0);
  let tcp: BoundSocket | undefined;
  try {
    tcp = listenTcp(NAMESERVER, 0);
    const context = new NftContext(nft);
    try {
      context.run(portRules(udp.port, tcp.port));
    } finally {
      context.close();
    }
    return [udp, tcp];
  } catch (e) {
    closeFd(udp.fd);
    if (tcp) closeFd(tcp.fd);
    throw e;
  }
}

export function portRules(udpPort: number, tcpPort: number): string {
  return `add table ip ${TABLE}
delete table ip ${TABLE}
table ip ${TABLE} {
  chain output {
    type filter hook output priority -300; policy accept;
    ip daddr ${NAMESERVER} udp dport 53 udp dport set ${udpPort}
    ip daddr ${NAMESERVER} tcp dport 53 tcp dport set ${tcpPort}
    ip saddr ${NAMESERVER} udp sport ${udpPort} udp sport set 53
    ip saddr ${NAMESERVER} tcp sport ${tcpPort} tcp sport set 53
  }
}
`;
}
