/** What a command may touch: the daemon, the terminal, the clock. Everything is passed in, so tests drive whole commands. */
import type { Readable } from 'node:stream';
import type { ApiClient } from './http/client.js';

export interface Output {
  write(text: string): void;
  /** Writes bytes as fast as the reader takes them. */
  pipe(source: AsyncIterable<Uint8Array>): Promise<void>;
  readonly isTerminal: boolean;
  /** Width of the terminal in columns. */
  readonly columns: number;
}

/** The terminal that standard input is. */
export interface TerminalControl {
  /** Every key goes to the command as it is typed. */
  raw(on: boolean): void;
  size(): { readonly rows: number; readonly columns: number };
  /** Returns the unsubscribe function. */
  onResize(fn: () => void): () => void;
}

export interface Context {
  readonly api: ApiClient;
  readonly out: Output;
  readonly err: Output;
  /** Of this command line. */
  readonly version: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  stdin(): Readable;
  readonly stdinIsTerminal: boolean;
  /** Absent where standard input is none. */
  readonly terminal?: TerminalControl;
  /** Milliseconds since the epoch. */
  now(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Aborts at ^C. Before the first call ^C ends the process at once. */
  interrupt(): AbortSignal;
  /** These signals are told instead of doing what they do to a process, until the function that is returned is called. */
  onSignals(signals: readonly NodeJS.Signals[], listener: (signal: NodeJS.Signals) => void): () => void;
}
