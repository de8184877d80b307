/**
 * The daemon's side of a process that goes on while the daemon is away: starts it where there is none, finds it again, and tells it one
 * thing after the other, each of which it acknowledges.
 */
import { existsSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { type Clock, SwarmtsError, sleep } from '@swarmts/lib';
import { LineDecoder } from './line-decoder.js';

const CONNECT_ATTEMPTS = 100;
const CONNECT_RETRY_MS = 50;
/** A process that does not acknowledge in this time is taken for dead. */
const ACKNOWLEDGEMENT_MS = 5_000;

export interface ControlClientOptions {
  /** "the name server" */
  readonly name: string;
  readonly socketPath: string;
  /** Starts the process; it may find that another one is there already. */
  readonly spawn: () => Promise<void>;
  readonly clock: Clock;
}

/** `A`: what the process answers beside the number of what it was told. */
export class ControlClient<A> {
  readonly #o: ControlClientOptions;
  readonly #waiting = new Map<number, (ack: A | undefined) => void>();
  #socket: Socket | undefined;
  #sequence = 0;
  #isFresh = true;
  #isNew = false;

  constructor(options: ControlClientOptions) {
    this.#o = options;
  }

  get isConnected(): boolean {
    return this.#socket !== undefined;
  }

  /** Nothing that was said on this connection has been acknowledged yet. */
  get isFresh(): boolean {
    return this.#isFresh;
  }

  /** The process was started by this client: it knows nothing yet. */
  get isNew(): boolean {
    return this.#isNew;
  }

  /** A process may be there from before. */
  get mayExist(): boolean {
    return this.isConnected || existsSync(this.#o.socketPath);
  }

  /** To the process that is there, or to one that is started. Throws 'unavailable'. */
  async connect(): Promise<void> {
    if (this.#socket) return;
    for (let attempt = 0; attempt < CONNECT_ATTEMPTS; attempt++) {
      const socket = await openSocket(this.#o.socketPath);
      if (socket) return this.#use(socket);
      if (attempt === 0) {
        await this.#o.spawn();
        this.#isNew = true;
      }
      await sleep(this.#o.clock, CONNECT_RETRY_MS);
    }
    throw new SwarmtsError('unavailable', `${this.#o.name} did not start`);
  }

  /** Throws 'unavailable' when there is no answer, and lets go of the process: the next one to be told is another. */
  async tell(message: object): Promise<A> {
    const mayBeOlder = this.#isFresh && !this.#isNew;
    let ack = await this.#exchange(message);
    if (ack === undefined && mayBeOlder) {
      // One of another build ends at the first word.
      this.drop();
      await this.connect();
      ack = await this.#exchange(message);
    }
    if (ack === undefined) {
      this.drop();
      throw new SwarmtsError('unavailable', `${this.#o.name} did not answer`);
    }
    this.#isFresh = false;
    this.#isNew = false;
    return ack;
  }

  #exchange(message: object): Promise<A | undefined> {
    const sequence = ++this.#sequence;
    return new Promise((resolve) => {
      const done = (answer: A | undefined) => {
        timer.cancel();
        this.#waiting.delete(sequence);
        resolve(answer);
      };
      const timer = this.#o.clock.after(ACKNOWLEDGEMENT_MS, () => done(undefined));
      this.#waiting.set(sequence, done);
      if (this.#socket) this.#socket.write(`${JSON.stringify({ ...message, sequence })}\n`);
      else done(undefined);
    });
  }

  /** Lets go of the process, which goes on. */
  drop(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
    this.#isFresh = true;
    this.#isNew = false;
    for (const done of [...this.#waiting.values()]) done(undefined);
  }

  #use(socket: Socket): void {
    this.#socket = socket;
    this.#isFresh = true;
    const decoder = new LineDecoder();
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const line of decoder.push(chunk)) {
          // Written by the process of this build.
          const ack = JSON.parse(line) as A & { readonly sequence: number };
          this.#waiting.get(ack.sequence)?.(ack);
        }
      } catch {
        // It is none that can be talked to: whoever waits for it learns that it did not answer.
        socket.destroy();
      }
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (this.#socket === socket) this.drop();
    });
  }
}

function openSocket(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(undefined));
  });
}
