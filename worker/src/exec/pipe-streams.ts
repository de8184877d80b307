/** The streams of an exec without a terminal: three named pipes, of which the daemon holds the other ends. */
import { chownSync, closeSync, constants, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { messageOf } from '@swarmts/lib';
import type { RunResult } from '../helper/helper-api.js';
import type { OciRuntime } from '../runtime/oci-runtime.js';
import type { OciProcess } from '../runtime/oci-spec.js';
import type { Owner } from '../userns/id-map.js';
import type { ExecStreams, Sink } from './exec-streams.js';

/** A process that ended may have left its output to a child that goes on; it is not waited for longer. */
const DRAIN_MS = 1000;

export interface PipeOptions {
  readonly runtime: OciRuntime;
  readonly containerId: string;
  readonly directory: string;
  /** Of the pipes: the container's root, so that processes may open /dev/stdout and the like. */
  readonly owner: Owner;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

interface Output {
  readonly stream: 'stdout' | 'stderr';
  readonly path: string;
  fd: number | undefined;
  socket: Socket | undefined;
  readonly wanted: boolean;
}

export class PipeStreams implements ExecStreams {
  readonly tty = false;
  readonly #options: PipeOptions;
  readonly #outputs: readonly Output[];
  #inputFd: number | undefined;
  #input: Socket | undefined;
  #closed = false;

  private constructor(options: PipeOptions) {
    this.#options = options;
    const output = (stream: Output['stream'], wanted: boolean): Output => {
      const path = join(options.directory, stream);
      return { stream, path, wanted, fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK), socket: undefined };
    };
    this.#outputs = [output('stdout', options.stdout), output('stderr', options.stderr)];
    // Opened for both, so that the process does not see an end before the first byte.
    if (options.stdin) this.#inputFd = openSync(this.#inputPath, constants.O_RDWR | constants.O_NONBLOCK);
  }

  static async open(options: PipeOptions): Promise<PipeStreams> {
    const names = ['stdin', 'stdout', 'stderr'].map((name) => join(options.directory, name));
    await options.runtime.helper.makePipes(names);
    for (const name of names) chownSync(name, options.owner.uid, options.owner.gid);
    return new PipeStreams(options);
  }

  async run(process: OciProcess, directory: string): Promise<RunResult> {
    const files = {
      ...(this.#options.stdin ? { stdinFile: this.#inputPath } : {}),
      stdoutFile: this.#outputs[0]?.path ?? '',
      stderrFile: this.#outputs[1]?.path ?? '',
    };
    try {
      return await this.#options.runtime.runExec(this.#options.containerId, directory, process, files);
    } finally {
      setTimeout(() => this.#drop(), DRAIN_MS).unref();
    }
  }

  begin(): void {
    this.#openOutputs();
    for (const o of this.#outputs) if (!o.wanted) o.socket?.resume();
    if (this.#inputFd === undefined) return;
    this.#input = new Socket({ fd: this.#inputFd, readable: false, writable: true });
    this.#inputFd = undefined;
    this.#input.on('error', () => undefined);
  }

  /** Only now: a pipe that nobody has opened for writing yet looks like one at its end. */
  #openOutputs(): void {
    for (const o of this.#outputs) {
      o.socket = new Socket({ fd: o.fd ?? -1, readable: true, writable: false });
      o.fd = undefined;
      o.socket.on('error', () => undefined);
    }
  }

  /** Also of streams that nobody wants: the runtime complains there. */
  async leftover(): Promise<string> {
    this.#openOutputs();
    let text = '';
    const take: Sink = async ({ data }) => {
      text += Buffer.from(data).toString('utf8');
    };
    await Promise.all(this.#outputs.map((o) => pumpOne(o, take))).catch((e: unknown) => {
      text += messageOf(e);
    });
    this.#drop();
    return text;
  }

  async pump(sink: Sink): Promise<void> {
    await Promise.all(this.#outputs.filter((o) => o.wanted).map((o) => pumpOne(o, sink)));
  }

  async write(bytes: Uint8Array): Promise<void> {
    const input = this.#input;
    if (!input?.writable) return;
    await new Promise<void>((resolve) => {
      // A process that has closed its input does not want the rest.
      input.once('close', resolve);
      input.write(bytes, () => {
        input.off('close', resolve);
        resolve();
      });
    });
  }

  async end(): Promise<void> {
    const input = this.#input;
    if (!input || input.destroyed) return;
    await new Promise<void>((resolve) => input.end(resolve));
    input.destroy();
  }

  /** The process may go on writing: nobody reads it, and it must not stall. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const o of this.#outputs) o.socket?.resume();
    this.#input?.destroy();
  }

  get #inputPath(): string {
    return join(this.#options.directory, 'stdin');
  }

  #drop(): void {
    this.#input?.destroy();
    if (this.#inputFd !== undefined) closeSync(this.#inputFd);
    this.#inputFd = undefined;
    for (const o of this.#outputs) {
      if (o.fd !== undefined) closeSync(o.fd);
      o.fd = undefined;
      // A reader that is slow keeps what is there; a writer that is left over loses its reader.
      if (o.socket && (this.#closed || o.socket.readableLength === 0)) o.socket.destroy();
    }
  }
}

async function pumpOne(output: Output, sink: Sink): Promise<void> {
  if (!output.socket) return;
  try {
    for await (const chunk of output.socket) await sink({ stream: output.stream, data: chunk as Buffer });
  } catch (e) {
    // Destroyed in the middle: the process has ended, or the caller has gone.
    if (!output.socket.destroyed) throw e;
  }
}
