/**
 * The node's container engine as the agent and the API see it. Everything here works without any swarm. The engine
 * owns its state on disk, re-adopts its containers when it is opened, and never loses one: a container is in exactly one
 * of its states, and only the engine moves it.
 */

import type { BuildOptions } from '../build/build-api.js';
import type { PathStat } from '../files/files-request.js';
import type { FileChange } from '../files/upper-changes.js';
import type { CommitOptions, ImageEngine } from '../images/image-api.js';
import type { LogEntry, LogOptions } from '../logs/log-api.js';
import type { RuntimeVersion } from '../runtime/known-escapes.js';
import type { LimitSupport } from '../runtime/limit-support.js';
import type { LabelSupport } from '../runtime/security-labels.js';
import type {
  ContainerInfo,
  ContainerStats,
  ContainerUpdate,
  ExecResult,
  ExitInfo,
  WaitCondition,
} from './container-api.js';
import type { ContainerConfig, NetworkWish } from './container-config.js';
import type { AttachOptions, ExecConfig, ExecInfo, Session, TerminalSize } from './session-api.js';

export interface VolumeInfo {
  readonly name: string;
  readonly driver: 'local';
  readonly mountpoint: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly createdAtMs: number;
}

export interface EngineEvent {
  readonly type: 'container' | 'image' | 'volume' | 'network';
  readonly action: string;
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly timeMs: number;
}

export interface ContainerEngine {
  readonly images: ImageEngine;
  readonly volumes: {
    create(v: {
      name: string;
      labels?: Readonly<Record<string, string>>;
      options?: Readonly<Record<string, string>>;
    }): Promise<VolumeInfo>;
    list(): Promise<readonly VolumeInfo[]>;
    find(name: string): Promise<VolumeInfo | undefined>;
    /** Where a volume's content is. */
    pathOf(name: string): string;
    remove(name: string, force: boolean): Promise<void>;
  };
  /** Returns the id; `warn` hears what the container is made without. Name taken: SwarmtsError 'conflict' as Docker words it. Nothing is left behind on failure. */
  create(config: ContainerConfig, warn?: (text: string) => void): Promise<string>;
  /**
   * Resolves when the process runs; running already is no error. When it cannot be started, the container keeps the state
   * it had and `exit` of its info says why (exit code 127: command not found, 126: not executable, 128: anything else).
   */
  start(id: string): Promise<void>;
  /**
   * Stop signal, grace, SIGKILL; resolves when it has exited. Not running: no error. Without a timeout or signal the container's own;
   * a negative timeout waits for ever.
   */
  stop(id: string, timeoutSeconds?: number, signal?: string): Promise<void>;
  kill(id: string, signal: string): Promise<void>;
  pause(id: string): Promise<void>;
  unpause(id: string): Promise<void>;
  remove(id: string, options: { force: boolean; volumes: boolean }): Promise<void>;
  /** Joins a container to a network, at once when it runs. On it already: 'conflict'. */
  connect(id: string, wish: NetworkWish): Promise<void>;
  /** Takes a container off a network, at once when it runs. Not on it: 'not-found'. */
  disconnect(id: string, network: { readonly id: string; readonly name: string }): Promise<void>;
  /** Resolves when the condition is met; default: not-running, at once for one that does not run. */
  wait(id: string, signal?: AbortSignal, condition?: WaitCondition): Promise<ExitInfo>;
  /** Stops it, where it runs, and starts it. */
  restart(id: string, timeoutSeconds?: number, signal?: string): Promise<void>;
  /** The new name is unique: 'conflict'. */
  rename(id: string, name: string): Promise<void>;
  /** "web/db": web is not linked any more to what it knows as db. */
  removeLink(path: string): Promise<void>;
  /** Changes limits, also of one that runs, and the restart policy. Returns warnings about limits that this machine cannot keep. */
  update(id: string, change: ContainerUpdate): Promise<readonly string[]>;
  /** Undefined when it does not run. */
  stats(id: string): ContainerStats | undefined;
  /** The processes of a running container, as ps(1) of the host prints them with these arguments; default -ef. */
  top(id: string, psArgs: string): Promise<{ readonly titles: readonly string[]; readonly rows: readonly string[][] }>;
  /** Bytes of a volume's content. Walks the files. */
  volumeBytes(name: string): Promise<number>;
  /** What is at a path in a container. Not there: 'not-found'. */
  statPath(id: string, path: string): Promise<PathStat>;
  /** The tar archive of a path in a container, running or not. */
  readArchive(id: string, path: string, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /**
   * Unpacks a tar archive into a directory of a container. `keepKinds`: a directory is not replaced by something else, nor the other
   * way round; `ownIds`: everything belongs to the container's user.
   */
  writeArchive(
    id: string,
    path: string,
    archive: AsyncIterable<Uint8Array>,
    options: { readonly keepKinds: boolean; readonly ownIds: boolean },
    signal?: AbortSignal,
  ): Promise<void>;
  /** The tar archive of a container's own files, without volumes. */
  export(id: string, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** What a container has changed of its image, sorted by path. */
  changes(id: string): Promise<readonly FileChange[]>;
  /** Bytes of the container's own layer, and with its image's. Walks the files. */
  sizes(id: string): Promise<{ readonly ownBytes: number; readonly totalBytes: number }>;
  /** By id, unique id prefix or name. */
  find(nameOrId: string): ContainerInfo | undefined;
  /** Also by a container that is still being made. */
  isNameTaken(name: string): boolean;
  list(): readonly ContainerInfo[];
  logs(id: string, options: LogOptions, signal?: AbortSignal): AsyncIterable<LogEntry>;
  /** Runs a command inside a running container to its end (health checks, simple exec). Throws 'timeout' when it takes too long. */
  exec(
    id: string,
    argv: readonly string[],
    options: { env?: readonly string[]; user?: string; timeoutMs?: number },
  ): Promise<ExecResult>;
  /** Makes an image of a container's file system; resolves to the id. */
  commit(id: string, options: CommitOptions): Promise<string>;
  /** Prepares a command in a running container. Not running: 'conflict'. */
  createExec(id: string, config: ExecConfig): Promise<string>;
  /** Runs it; with `detach` nobody is at its streams. Throws Docker's message when it cannot be started. */
  startExec(execId: string, options: { readonly detach: boolean; readonly size?: TerminalSize }): Promise<Session>;
  resizeExec(execId: string, size: TerminalSize): Promise<void>;
  /** 'not-found' when there is no such exec, or its container is gone. */
  findExec(execId: string): ExecInfo;
  /** Ids of a container's execs that have not ended. */
  execsOf(id: string): readonly string[];
  /** At the streams of a container's own process, from before it starts if need be. */
  attach(id: string, options: AttachOptions): Promise<Session>;
  /** Of the terminal of a running container. */
  resize(id: string, size: TerminalSize): Promise<void>;
  /** Builds an image from a Dockerfile; resolves to the id. Bad input and failed commands throw 'invalid-argument'. */
  build(options: BuildOptions): Promise<string>;
  /** Synchronous notification; returns the unsubscribe function. */
  onEvent(listener: (e: EngineEvent) => void): () => void;
  info(): {
    readonly containers: number;
    readonly running: number;
    readonly paused: number;
    readonly stopped: number;
    readonly images: number;
    /** Path of the OCI runtime that new containers get. */
    readonly runtime: string;
    /** Names of those that a container may ask for. */
    readonly runtimes: readonly string[];
    readonly limits: LimitSupport;
    /** Of containers that say none. */
    readonly cgroupnsMode: string;
    readonly labels: LabelSupport;
    /** Whether containers are in user namespaces. */
    readonly mapsIds: boolean;
  };
  /** What the OCI runtime of new containers says of itself; undefined for one that is not known. */
  runtimeVersion(): Promise<RuntimeVersion | undefined>;
  /** Lets go of everything in memory; containers go on running. */
  close(): Promise<void>;
}
