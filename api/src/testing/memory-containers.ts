/** Containers in memory: a process that repeats what is typed, for tests of the API. */
import { SwarmtsError } from '@swarmts/lib';
import type {
  AttachOptions,
  ContainerBackend,
  ContainerStats,
  ExecConfig,
  ExecInfo,
  Session,
  TerminalSize,
} from '../container-backend.js';
import type { MemoryNode } from './memory-backend.js';
import { NOW_MS } from './memory-swarm.js';

type Sink = Parameters<Session['pump']>[0];

/** Answers with what it gets, until the input ends. */
export class EchoSession implements Session {
  readonly tty: boolean;
  closed = false;
  detached = false;
  readonly #waiting: Uint8Array[] = [];
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(tty: boolean) {
    this.tty = tty;
  }

  async pump(sink: Sink): Promise<void> {
    while (true) {
      for (let b = this.#waiting.shift(); b; b = this.#waiting.shift()) await sink({ stream: 'stdout', data: b });
      if (this.#ended || this.closed) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#waiting.push(Uint8Array.from(bytes));
    this.#wake();
  }

  async end(): Promise<void> {
    this.#ended = true;
    this.#wake();
  }

  async close(): Promise<void> {
    this.closed = true;
    this.#wake();
  }

  async detach(): Promise<void> {
    this.detached = true;
    await this.close();
  }
}

const STATS: ContainerStats = {
  readAtMs: NOW_MS,
  cpu: {
    totalNs: 100,
    perCpuNs: [60, 40],
    userNs: 70,
    kernelNs: 30,
    systemNs: 1000,
    onlineCpus: 2,
    periods: 0,
    throttledPeriods: 0,
    throttledNs: 0,
  },
  memory: { usage: 1000, maxUsage: 2000, limit: 1 << 20, failures: 0, details: { inactive_file: 10 } },
  pids: { current: 1, limit: 0 },
  blocks: [],
  networks: {},
};

export class MemoryContainers implements ContainerBackend {
  readonly execs = new Map<string, ExecInfo>();
  readonly sessions: EchoSession[] = [];
  readonly written: object[] = [];
  readonly terminalSizes: TerminalSize[] = [];
  /** What the next start of an exec fails with. */
  failure: SwarmtsError | undefined;
  readonly updates: Parameters<ContainerBackend['update']>[1][] = [];
  readonly #node: MemoryNode;

  constructor(node: MemoryNode) {
    this.#node = node;
  }

  async stop(ref: string): Promise<void> {
    await this.#node.change(ref, { state: 'exited', exitCode: 137, finishedAtMs: NOW_MS });
  }

  async restart(ref: string): Promise<void> {
    await this.#node.change(ref, { state: 'running', startedAtMs: NOW_MS });
  }

  async pause(ref: string): Promise<void> {
    await this.#node.change(ref, { state: 'paused' });
  }

  async unpause(ref: string): Promise<void> {
    await this.#node.change(ref, { state: 'running' });
  }

  async rename(ref: string, name: string): Promise<void> {
    await this.#node.change(ref, { name });
  }

  async removeLink(path: string): Promise<void> {
    const [parent = '', alias] = path.split('/');
    const { links } = await this.#node.container(parent);
    await this.#node.change(parent, { links: links.filter((l) => l.alias !== alias) });
  }

  async update(_ref: string, change: Parameters<ContainerBackend['update']>[1]): Promise<readonly string[]> {
    this.updates.push(change);
    return [];
  }

  async wait(ref: string): ReturnType<ContainerBackend['wait']> {
    return { exitCode: (await this.#node.container(ref)).exitCode, error: '' };
  }

  async stats(ref: string): Promise<ContainerStats | undefined> {
    return (await this.#node.container(ref)).state === 'running' ? STATS : undefined;
  }

  async top(): ReturnType<ContainerBackend['top']> {
    return { titles: ['PID', 'CMD'], rows: [['42', 'sleep 60']] };
  }

  async statPath(_ref: string, path: string): ReturnType<ContainerBackend['statPath']> {
    if (path === '/nope') throw new SwarmtsError('not-found', `Could not find the file ${path} in container c`);
    if (path === '/tmp') return { name: 'tmp', size: 4096, mode: 0o041777, mtimeMs: NOW_MS, linkTarget: '' };
    return { name: 'file', size: 3, mode: 0o104755, mtimeMs: NOW_MS, linkTarget: '' };
  }

  async *readArchive(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('archive');
  }

  async writeArchive(
    _ref: string,
    path: string,
    archive: AsyncIterable<Uint8Array>,
    options: { readonly keepKinds: boolean; readonly ownIds: boolean },
  ): Promise<void> {
    let bytes = 0;
    for await (const chunk of archive) bytes += chunk.byteLength;
    this.written.push({ path, bytes, ...options });
  }

  async *exportFiles(_ref: string, _signal: AbortSignal): AsyncGenerator<Uint8Array> {
    yield Buffer.from('everything');
  }

  async changes(): ReturnType<ContainerBackend['changes']> {
    return [
      { kind: 'modified', path: '/etc' },
      { kind: 'added', path: '/etc/new' },
      { kind: 'deleted', path: '/etc/old' },
    ];
  }

  async sizes(_ref: string): ReturnType<ContainerBackend['sizes']> {
    return { ownBytes: 100, totalBytes: 4_200_100 };
  }

  async volumeBytes(): Promise<number> {
    return 7;
  }

  async createExec(containerId: string, config: ExecConfig): Promise<string> {
    const id = `${this.execs.size}`.padEnd(64, 'a');
    this.execs.set(id, { id, containerId, config, state: 'created', pid: 0 });
    return id;
  }

  async exec(id: string): Promise<ExecInfo> {
    const found = this.execs.get(id);
    if (!found) throw new SwarmtsError('not-found', `No such exec instance: ${id}`);
    return found;
  }

  async startExec(id: string, options: Parameters<ContainerBackend['startExec']>[1]): Promise<Session> {
    this.execStarts.push(options);
    const exec = await this.exec(id);
    if (this.failure) throw this.failure;
    this.execs.set(id, { ...exec, state: 'running', pid: 7 });
    return this.#open(exec.config.tty);
  }

  readonly execStarts: Parameters<ContainerBackend['startExec']>[1][] = [];

  async resizeExec(_id: string, size: TerminalSize): Promise<void> {
    this.terminalSizes.push(size);
  }

  async attach(_container: string, _options: AttachOptions): Promise<Session> {
    return this.#open(false);
  }

  async resize(_container: string, size: TerminalSize): Promise<void> {
    this.terminalSizes.push(size);
  }

  #open(tty: boolean): EchoSession {
    const session = new EchoSession(tty);
    this.sessions.push(session);
    return session;
  }
}
