/**
 * What users type into containers: connections to monitors' attach sockets. conmon passes on what it gets, stops reading while the
 * container does not take it, and takes the end of a connection for the end of the input. The output is read from the log. Sockets of
 * datagrams (syslog, journald) are written to in the same way, each write being one datagram.
 *
 * An input has a number of its own, which is never used again: the kernel gives the descriptor of one that was closed to the next, and
 * whoever still knows the first would type into another container.
 */
import { randomInt } from 'node:crypto';
import { SwarmtsError } from '@swarmts/lib';
import { closeFd, connectPacketSocket, type PacketKind, trySendPacket } from 'vxlan-tools';

/** conmon reads so much at a time and would cut a longer packet. */
const MAX_PACKET_BYTES = 8192;
const FIRST_RETRY_MS = 2;
const LAST_RETRY_MS = 100;

/** Numbers count up from one below this: the daemon outlives helpers, and their inputs must not have the same. */
const FIRST_NUMBERS = 2 ** 47;

interface OpenInput {
  readonly fd: number;
  readonly maxBytes: number;
  last: Promise<void>;
}

export class ContainerInputs {
  readonly #open = new Map<number, OpenInput>();
  #next = randomInt(FIRST_NUMBERS);

  open(socket: string, kind: PacketKind): number {
    const fd = connectPacketSocket(socket, kind);
    const input = this.#next++;
    this.#open.set(input, { fd, maxBytes: kind === 'datagram' ? Infinity : MAX_PACKET_BYTES, last: Promise.resolve() });
    return input;
  }

  /** One after the other, in the order of the calls. */
  write(input: number, bytes: Uint8Array): Promise<void> {
    const open = this.#open.get(input);
    if (open === undefined) return Promise.reject(gone());
    const written = open.last.then(() => this.#writeAll(input, open, bytes));
    open.last = written.catch(() => undefined);
    return written;
  }

  /** One that is closed already is no error. */
  close(input: number): void {
    const open = this.#open.get(input);
    if (open === undefined) return;
    this.#open.delete(input);
    closeFd(open.fd);
  }

  closeAll(): void {
    for (const input of [...this.#open.keys()]) this.close(input);
  }

  async #writeAll(input: number, { fd, maxBytes }: OpenInput, bytes: Uint8Array): Promise<void> {
    let wait = FIRST_RETRY_MS;
    for (let at = 0; at < bytes.length; ) {
      if (!this.#open.has(input)) throw gone();
      const packet = Buffer.from(bytes.subarray(at, at + maxBytes));
      if (trySendPacket(fd, packet)) {
        at += packet.length;
        wait = FIRST_RETRY_MS;
      } else {
        // Nobody tells when there is room again: Node cannot wait for a socket of this kind.
        await new Promise((resolve) => setTimeout(resolve, wait));
        wait = Math.min(wait * 2, LAST_RETRY_MS);
      }
    }
  }
}

function gone(): SwarmtsError {
  return new SwarmtsError('failed-precondition', 'the input of the container is closed');
}
