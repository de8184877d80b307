/**
 * Asks other name servers what we do not know, one after the other. Each question goes out from a socket of its own (an unforeseeable
 * port) under a number of its own, and only an answer from the server that was asked, to the question that was asked, counts.
 */
import { randomInt } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { connect as connectTcp, isIPv6 } from 'node:net';
import type { Clock } from '@swarmts/lib';

/** A server that has not answered in this time is left for the next. */
const SERVER_TIMEOUT_MS = 2_000;
/** Every server is asked so often; a datagram may get lost. */
const ROUNDS = 2;
/** Questions under way; beyond it the client is told to try again. */
export const MAX_FORWARDS = 1_024;
const DNS_PORT = 53;
const MAX_TCP_BYTES = 65_535;

export interface ForwardRequest {
  readonly message: Buffer;
  readonly servers: readonly string[];
  readonly overTcp: boolean;
  /** Makes the sockets of a container's own choice of servers in its own namespace. */
  readonly openUdp?: () => Socket;
}

export class Forwarder {
  readonly #clock: Clock;
  readonly #port: number;
  #active = 0;

  /** `port` is another one than 53 in tests only. */
  constructor(clock: Clock, port = DNS_PORT) {
    this.#clock = clock;
    this.#port = port;
  }

  /** The answer with the question's own number; undefined when no server gave one. */
  async forward(r: ForwardRequest): Promise<Buffer | undefined> {
    if (this.#active >= MAX_FORWARDS || r.message.length < 12) return undefined;
    this.#active++;
    try {
      for (let round = 0; round < ROUNDS; round++) {
        for (const server of r.servers) {
          const answer = r.overTcp ? await this.#askTcp(server, r.message) : await this.#askUdp(server, r);
          if (answer) return renumbered(answer, r.message.readUInt16BE(0));
        }
        if (r.overTcp) break;
      }
      return undefined;
    } finally {
      this.#active--;
    }
  }

  #askUdp(server: string, r: ForwardRequest): Promise<Buffer | undefined> {
    const question = renumbered(r.message, randomInt(0x10000));
    return new Promise((resolve) => {
      const socket = r.openUdp?.() ?? createSocket(isIPv6(server) ? 'udp6' : 'udp4');
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
        const fromServer = from.port === this.#port && from.address === server;
        if (fromServer && answers(answer, question)) finish(answer);
      });
      socket.send(question, this.#port, server, (e) => {
        if (e) finish(undefined);
      });
    });
  }

  #askTcp(server: string, message: Buffer): Promise<Buffer | undefined> {
    const question = renumbered(message, randomInt(0x10000));
    return new Promise((resolve) => {
      const socket = connectTcp({ host: server, port: this.#port });
      const timer = this.#clock.after(SERVER_TIMEOUT_MS, () => finish(undefined));
      let received = Buffer.alloc(0);
      const finish = (answer: Buffer | undefined) => {
        timer.cancel();
        socket.destroy();
        resolve(answer);
      };
      socket.on('connect', () => socket.write(framed(question)));
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
