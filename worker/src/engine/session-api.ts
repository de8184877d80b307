/** Streams between a caller and what runs in a container: an exec, or the container's own process. */

export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

export interface OutputChunk {
  readonly stream: 'stdout' | 'stderr';
  readonly data: Uint8Array;
}

export interface Session {
  /** Whether the process is in a terminal: there is one output then, and its bytes are passed on as they are. */
  readonly tty: boolean;
  /**
   * Hands on the output in order, waiting for `sink`; resolves when the process has ended and everything was handed on, or after
   * `close`. Called once.
   */
  pump(sink: (chunk: OutputChunk) => Promise<void>): Promise<void>;
  /** Resolves when the process's side has taken the bytes. Without an input they are dropped. */
  write(bytes: Uint8Array): Promise<void>;
  /** The end of the input. */
  end(): Promise<void>;
  /** The caller has gone; the process goes on. */
  close(): Promise<void>;
  /** The same, because the caller wanted to. */
  detach(): Promise<void>;
}

export interface AttachOptions {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** What was written before, first. */
  readonly logs: boolean;
  /** What comes from now on, until the container ends; of one that does not run: its next run. */
  readonly stream: boolean;
}

export interface ExecConfig {
  readonly argv: readonly string[];
  readonly env: readonly string[];
  /** '' is the container's own. */
  readonly user: string;
  readonly workingDir: string;
  readonly privileged: boolean;
  readonly tty: boolean;
  readonly attachStdin: boolean;
  readonly attachStdout: boolean;
  readonly attachStderr: boolean;
  readonly detachKeys: string;
  /** Of its terminal, unless the start names another. */
  readonly consoleSize?: TerminalSize;
}

export interface ExecInfo {
  readonly id: string;
  readonly containerId: string;
  readonly config: ExecConfig;
  readonly state: 'created' | 'running' | 'ended';
  /** 0 while it does not run. */
  readonly pid: number;
  /** Once it has ended. */
  readonly exitCode?: number;
}
