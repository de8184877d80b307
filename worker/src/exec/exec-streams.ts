/** What carries the input and output of an exec: pipes, or a terminal. */
import type { OutputChunk, Session } from '../engine/session-api.js';
import type { RunResult } from '../helper/helper-api.js';
import type { OciProcess } from '../runtime/oci-spec.js';

/** The streams of a process that is about to start. */
export interface ExecStreams extends Omit<Session, 'detach'> {
  run(process: OciProcess, directory: string): Promise<RunResult>;
  /** The process runs: what it writes may be read. */
  begin(): void;
  /** What is in the streams of a process that did not start; they are closed then. */
  leftover(): Promise<string>;
}

export type Sink = (chunk: OutputChunk) => Promise<void>;
