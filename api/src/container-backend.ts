/** What the API needs from the node's container engine beyond listing and making containers: streams, lifecycle, files. */
import type { ContainerLimits } from './container-limits.js';

export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

export interface OutputChunk {
  readonly stream: 'stdout' | 'stderr';
  readonly data: Uint8Array;
}

/** The streams of a process in a container. */
export interface Session {
  readonly tty: boolean;
  /** Resolves when the process has ended and all output was handed on, or after `close`. */
  pump(sink: (chunk: OutputChunk) => Promise<void>): Promise<void>;
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
  readonly logs: boolean;
  readonly stream: boolean;
}

export interface ExecConfig {
  readonly argv: readonly string[];
  readonly env: readonly string[];
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
  readonly pid: number;
  readonly exitCode?: number;
}

export interface RestartPolicy {
  readonly name: 'no' | 'always' | 'unless-stopped' | 'on-failure';
  readonly maxRetries: number;
}

export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

export interface NetworkTransfer {
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly rxErrors: number;
  readonly rxDropped: number;
  readonly txBytes: number;
  readonly txPackets: number;
  readonly txErrors: number;
  readonly txDropped: number;
}

/** What a container uses; 0 where the kernel does not say. */
export interface ContainerStats {
  readonly readAtMs: number;
  readonly cpu: {
    readonly totalNs: number;
    readonly perCpuNs: readonly number[];
    readonly userNs: number;
    readonly kernelNs: number;
    readonly systemNs: number;
    readonly onlineCpus: number;
    readonly periods: number;
    readonly throttledPeriods: number;
    readonly throttledNs: number;
  };
  readonly memory: {
    readonly usage: number;
    readonly maxUsage: number;
    readonly limit: number;
    readonly failures: number;
    readonly details: Readonly<Record<string, number>>;
  };
  readonly pids: { readonly current: number; readonly limit: number };
  readonly blocks: readonly {
    readonly major: number;
    readonly minor: number;
    readonly op: string;
    readonly bytes: number;
  }[];
  readonly networks: Readonly<Record<string, NetworkTransfer>>;
}

export interface PathStat {
  readonly name: string;
  readonly size: number;
  /** As stat(2) has it. */
  readonly mode: number;
  readonly mtimeMs: number;
  readonly linkTarget: string;
}

export interface FileChange {
  readonly kind: 'modified' | 'added' | 'deleted';
  readonly path: string;
}

export interface ContainerBackend {
  /** A negative timeout waits for ever; absent ones, and '' for the signal, are the container's own. */
  stop(container: string, timeoutSeconds: number | undefined, signal: string): Promise<void>;
  restart(container: string, timeoutSeconds: number | undefined, signal: string): Promise<void>;
  pause(container: string): Promise<void>;
  unpause(container: string): Promise<void>;
  rename(container: string, name: string): Promise<void>;
  /** "web/db": web is not linked any more to what it knows as db. */
  removeLink(path: string): Promise<void>;
  /** Returns warnings about limits that the machine cannot keep. */
  update(
    container: string,
    change: { readonly resources: Partial<ContainerLimits>; readonly restart?: RestartPolicy },
  ): Promise<readonly string[]>;
  wait(
    container: string,
    condition: WaitCondition,
    signal: AbortSignal,
  ): Promise<{ readonly exitCode: number; readonly error: string }>;
  /** Undefined when it does not run. */
  stats(container: string): Promise<ContainerStats | undefined>;
  top(
    container: string,
    psArgs: string,
  ): Promise<{ readonly titles: readonly string[]; readonly rows: readonly (readonly string[])[] }>;
  /** 'not-found' "Could not find the file X in container Y". */
  statPath(container: string, path: string): Promise<PathStat>;
  readArchive(container: string, path: string, signal: AbortSignal): AsyncIterable<Uint8Array>;
  writeArchive(
    container: string,
    path: string,
    archive: AsyncIterable<Uint8Array>,
    options: { readonly keepKinds: boolean; readonly ownIds: boolean },
    signal: AbortSignal,
  ): Promise<void>;
  exportFiles(container: string, signal: AbortSignal): AsyncIterable<Uint8Array>;
  changes(container: string): Promise<readonly FileChange[]>;
  sizes(container: string): Promise<{ readonly ownBytes: number; readonly totalBytes: number }>;
  volumeBytes(volume: string): Promise<number>;
  createExec(container: string, config: ExecConfig): Promise<string>;
  /** 'not-found' "No such exec instance: X". */
  exec(id: string): Promise<ExecInfo>;
  startExec(id: string, options: { readonly detach: boolean; readonly size?: TerminalSize }): Promise<Session>;
  resizeExec(id: string, size: TerminalSize): Promise<void>;
  attach(container: string, options: AttachOptions): Promise<Session>;
  resize(container: string, size: TerminalSize): Promise<void>;
}
