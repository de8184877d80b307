/**
 * Asks other name servers what we do not know, one after the other. Each question goes out from a socket of its own (an unforeseeable
 * port) under a number of its own, and only an answer from the server that was asked, to the question that was asked, counts.
 */
import { randomInt } from 'node:crypto';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { connect, isIPv6, type Socket } from 'node:net';
import { type Clock, parseIp } from '@swarmts/lib';
import { ResponseCode } from './message.js';

/** A server that has not answered in this time is left for the next. */
const SERVER_TIMEOUT_MS = 2_000;
/** Every server is asked so often; a datagram may get lost. */
const ROUNDS = 2;
/** Questions under way; beyond it the client is told to try again. */
const MAX_FORWARDS = 4_096;
/** Of one client: whoever asks without end does so at nobody else's cost. */
export const MAX_FORWARDS_OF_ONE = 512;
const DNS_PORT = 53;
const MAX_TCP_BYTES = 65_535;

/** Where the questions come from, on the way to a server. */
export interface Outlet {
  udp(server: string): UdpSocket;
  /** It may still be connecting. */
  tcp(server: string, port: number): Socket;
}

/** From the namespace of this process. */
const here: Outlet = {
  udp: (server) => createSocket(isIPv6(server) ? 'udp6' : 'udp4'),
  tcp: (server, port) => connect({ host: server, port }),
};

export interface ForwardRequest {
  readonly client: string;
  readonly message: Buffer;
  readonly servers: readonly string[];
  readonly overTcp: boolean;
  readonly outlet?: Outlet;
}

export class Forwarder {
  readonly #clock: Clock;
  readonly #port: number;
  /** Questions under way by client. */
  readonly #active = new Map<string, number>();
  #total = 0;

  /** `port` is another one than 53 in tests only. */
  constructor(clock: Clock, port = DNS_PORT) {
    this.#clock = clock;
    this.#port = port;
  }

  /** The answer with the question's own number; undefined when no server gave one. */
  async forward(r: ForwardRequest): Promise<Buffer | undefined> {
    const mine = this.#active.get(r.client) ?? 0;
    if (mine >= MAX_FORWARDS_OF_ONE || this.#total >= MAX_FORWARDS || r.message.length < 12) return undefined;
    this.#count(r.client, 1);
    try {
      const answer = await this.#askAll(r);
      return answer && renumbered(answer, r.message.readUInt16BE(0));
    } finally {
      this.#count(r.client, -1);
    }
  }

  #count(client: string, by: 1 | -1): void {
    this.#total += by;
    const left = (this.#active.get(client) ?? 0) + by;
    if (left === 0) this.#active.delete(client);
    else this.#active.set(client, left);
  }

  /** A server that cannot answer leaves it to the next; when none can, its word is better than none. */
  async #askAll(r: ForwardRequest): Promise<Buffer | undefined> {
    let unable: Buffer | undefined;
    let silent = r.servers;
    for (let round = 0; round < (r.overTcp ? 1 : ROUNDS); round++) {
      const asked = silent;
      silent = [];
      for (const server of asked) {
        const answer = await this.#ask(server, r);
        if (answer && !isUnable(answer)) return answer;
        unable ??= answer;
        if (!answer) silent = [...silent, server];
      }
    }
    return unable;
  }

  async #ask(server: string, r: ForwardRequest): Promise<Buffer | undefined> {
    try {
      return await (r.overTcp ? this.#askTcp(server, r) : this.#askUdp(server, r));
    } catch {
      // There is no way to it from there.
      return undefined;
    }
  }

  #askUdp(server: string, { message, outlet = here }: ForwardRequest): Promise<Buffer | undefined> {
    const question = renumbered(message, randomInt(0x10000));
    return new Promise((resolve) => {
      const socket = outlet.udp(server);
      const timer = this.#clock.after(SERVER_TIMEOUT_MS, () => finish(undefined));
      let done = false;
      const finish = (answer: Buffer | undefined) => {
        if (done) return;
        done = true;
        timer.cancel();
        socket.close();
        resolve(answer);
      };
      socket.on('error', () => finish(undefined));
      socket.on('message', (answer, from) => {
        const fromServer = from.port === this.#port && isSameAddress(from.address, server);
        if (fromServer && answers(answer, question)) finish(answer);
      });
      socket.send(question, this.#port, server, (e) => {
        if (e) finish(undefined);
      });
    });
  }

  #askTcp(server: string, { message, outlet = here }: ForwardRequest): Promise<Buffer | undefined> {
    const question = renumbered(message, randomInt(0x10000));
    return new Promise((resolve) => {
      const socket = outlet.tcp(server, this.#port);
      const timer = this.#clock.after(SERVER_TIMEOUT_MS, () => finish(undefined));
      let received = Buffer.alloc(0);
      const finish = (answer: Buffer | undefined) => {
        timer.cancel();
        socket.destroy();
        resolve(answer);
      };
      socket.write(framed(question));
      socket.on('data', (chunk: Buffer) => {
        received = Buffer.concat([received, chunk]);
        const length = received.length >= 2 ? received.readUInt16BE(0) : MAX_TCP_BYTES;
        if (received.length < length + 2) return;
        const answer = received.subarray(2, length + 2);
        finish(answers(answer, question) ? Buffer.from(answer) : undefined);
      });
      socket.on('error', () => finish(undefined));
      socket.on('close', () => finish(undefined));
    });
  }
}

/** What a server says that another one may be able to answer. */
const UNABLE: ReadonlySet<number> = new Set([ResponseCode.serverFailure, ResponseCode.refused]);

function isUnable(answer: Buffer): boolean {
  return UNABLE.has(answer.readUInt16BE(2) & 15);
}

/** Addresses of IPv6 have many spellings; those with a zone are no addresses to `parseIp`. */
function isSameAddress(a: string, b: string): boolean {
  if (a === b || !a.includes(':') || !b.includes(':') || a.includes('%') || b.includes('%')) return a === b;
  return parseIp(a).value === parseIp(b).value;
}

/** The same number, an answer, and the same question. */
function answers(answer: Buffer, question: Buffer): boolean {
  if (answer.length < 12 || answer.readUInt16BE(0) !== question.readUInt16BE(0)) return false;
  if ((answer.readUInt16BE(2) & 0x8000) === 0) return false;
  const asked = questionText(question);
  return asked !== '' && asked === questionText(answer);
}

/** Name, type and class of the first question, case aside; '' where there is none. */
function questionText(message: Buffer): string {
  if (message.readUInt16BE(4) !== 1) return '';
  let at = 12;
  while (at < message.length && message[at] !== 0) at += 1 + (message[at] ?? 0);
  return message
    .subarray(12, at + 5)
    .toString('latin1')
    .toLowerCase();
}

function renumbered(message: Buffer, id: number): Buffer {
  const copy = Buffer.from(message);
  copy.writeUInt16BE(id, 0);
  return copy;
}

/** With its length in front, as DNS goes over TCP. */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length, 0);
  return Buffer.concat([length, message]);
}
