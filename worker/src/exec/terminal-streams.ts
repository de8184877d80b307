/** The streams of an exec in a terminal: one connection from the helper, which holds the terminal. */
import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { TerminalSize } from '../engine/session-api.js';
import type { RunResult } from '../helper/helper-api.js';
import type { OciRuntime } from '../runtime/oci-runtime.js';
import type { OciProcess } from '../runtime/oci-spec.js';
import type { ExecStreams, Sink } from './exec-streams.js';

export interface TerminalOptions {
  readonly runtime: OciRuntime;
  readonly containerId: string;
  readonly name: string;
  readonly size: TerminalSize;
  readonly stdin: boolean;
}

export class TerminalStreams implements ExecStreams {
  readonly tty = true;
  readonly #options: TerminalOptions;
  readonly #path: string;
  readonly #server: Server;
  readonly #connected: Promise<Socket | undefined>;
  #onConnected: (socket: Socket | undefined) => void = () => undefined;

  private constructor(options: TerminalOptions, path: string) {
    this.#options = options;
    this.#path = path;
    this.#connected = new Promise((resolve) => {
      this.#onConnected = resolve;
    });
    this.#server = createServer((socket) => {
      socket.on('error', () => undefined);
      this.#server.close();
      this.#onConnected(socket);
    });
  }

  static async open(options: TerminalOptions): Promise<TerminalStreams> {
    const streams = new TerminalStreams(options, options.runtime.socketPath(`t-${options.name.slice(0, 16)}`));
    await streams.#listen();
    return streams;
  }

  async run(process: OciProcess, directory: string): Promise<RunResult> {
    const { runtime, containerId, name, size } = this.#options;
    try {
      return await runtime.runExecInTerminal(containerId, directory, process, { name, size, socket: this.#path });
    } finally {
      this.#server.close();
      rmSync(this.#path, { force: true });
      this.#onConnected(undefined);
    }
  }

  begin(): void {
    // The connection reads as soon as somebody listens to it.
  }

  async leftover(): Promise<string> {
    let text = '';
    await this.pump(async ({ data }) => {
      text += Buffer.from(data).toString('utf8');
    });
    return text;
  }

  async pump(sink: Sink): Promise<void> {
    const socket = await this.#connected;
    if (!socket) return;
    try {
      for await (const chunk of socket) await sink({ stream: 'stdout', data: chunk as Buffer });
    } catch (e) {
      if (!socket.destroyed) throw e;
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (!this.#options.stdin) return;
    const socket = await this.#connected;
    if (!socket?.writable) return;
    await new Promise<void>((resolve) => {
      socket.once('close', resolve);
      socket.write(bytes, () => {
        socket.off('close', resolve);
        resolve();
      });
    });
  }

  /** A terminal's input has no end of its own. */
  async end(): Promise<void> {}

  async close(): Promise<void> {
    // Read on, so that what is shown does not stall the process.
    void this.#connected.then((socket) => socket?.resume());
  }

  async resize(pid: number, size: TerminalSize): Promise<void> {
    await this.#options.runtime.helper.resizeTerminal(this.#options.name, pid, size);
  }

  #listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#path, resolve);
    });
  }
}
