/**
 * The CSI plugins of this node: programs that listen on a unix socket in one folder. They come and go; every few seconds
 * it is looked again which ones there are, and what they say of the node.
 */
import { readdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type Clock, errnoOf, type Logger, messageOf, SwarmtsError, type TimerHandle } from '@swarmts/lib';
import type { NodeCsiInfo } from '@swarmts/proto';
import { CsiPlugin } from './csi-plugin.js';

const SCAN_PERIOD_MS = 3_000;

export interface CsiPluginsOptions {
  /** Folder of the sockets; it need not exist. */
  readonly dir: string;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Known {
  readonly plugin: CsiPlugin;
  info: NodeCsiInfo | undefined;
  answers: boolean;
}

export class CsiPlugins {
  readonly #o: CsiPluginsOptions;
  readonly #known = new Map<string, Known>();
  #infos: readonly NodeCsiInfo[] = [];
  #timer: TimerHandle | undefined;
  #stopped = false;
  /** Why the last look failed; '' if it did not. */
  #failure = '';

  constructor(options: CsiPluginsOptions) {
    this.#o = options;
  }

  /** What the plugins that answer say of this node. */
  get infos(): readonly NodeCsiInfo[] {
    return this.#infos;
  }

  /** Looks now and from now on; `onChange` is called when what they say has changed. A look that fails is logged. */
  async start(onChange: () => void): Promise<void> {
    const before = this.#infos;
    this.#onLook(
      await this.#scan().then(
        () => '',
        (e: unknown) => messageOf(e),
      ),
    );
    if (this.#stopped) return;
    if (!isDeepStrictEqual(before, this.#infos)) onChange();
    this.#timer = this.#o.clock.after(SCAN_PERIOD_MS, () => void this.start(onChange));
  }

  close(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    for (const { plugin } of this.#known.values()) plugin.close();
  }

  /** By the name that it gives itself. Throws SwarmtsError 'unavailable'. */
  plugin(name: string): CsiPlugin {
    const found = [...this.#known.values()].find((k) => k.answers && k.plugin.name === name);
    if (found) return found.plugin;
    throw new SwarmtsError(
      'unavailable',
      `CSI plugin ${name} does not answer on node ${hostname()}: start it with its socket in ${this.#o.dir}`,
    );
  }

  #onLook(failure: string): void {
    if (failure !== '' && failure !== this.#failure)
      this.#o.log.warn('the CSI plugins of this node cannot be looked for', { dir: this.#o.dir, error: failure });
    this.#failure = failure;
  }

  async #scan(): Promise<void> {
    const paths = new Set((await socketsIn(this.#o.dir)).map((f) => join(this.#o.dir, f)));
    for (const [path, { plugin }] of this.#known) {
      if (paths.has(path)) continue;
      plugin.close();
      this.#known.delete(path);
    }
    for (const path of paths)
      if (!this.#known.has(path))
        this.#known.set(path, { plugin: new CsiPlugin(path), info: undefined, answers: false });
    await Promise.all([...this.#known.values()].map((k) => this.#probe(k)));
    this.#infos = [...this.#known.values()].flatMap((k) => (k.answers && k.info ? [k.info] : []));
  }

  async #probe(k: Known): Promise<void> {
    try {
      k.info = await k.plugin.probe();
      if (!k.answers) this.#o.log.info('CSI plugin is there', { plugin: k.plugin.name, socket: k.plugin.path });
      k.answers = true;
    } catch (e) {
      if (k.answers) this.#o.log.warn('CSI plugin does not answer', { socket: k.plugin.path, error: messageOf(e) });
      k.answers = false;
    }
  }
}

async function socketsIn(dir: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(dir, { withFileTypes: true });
    return entries.filter((f) => f.isSocket()).map((f) => f.name);
  } catch (e) {
    if (errnoOf(e) === 'ENOENT') return [];
    throw e;
  }
}
