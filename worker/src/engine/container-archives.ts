/**
 * The files of one container, for those who copy them in or out: archives of a path or of everything, and what was changed. A
 * container that does not run is kept from starting meanwhile.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isSwarmtsError, SwarmtsError } from '@swarmts/lib';
import { type FilesHost, packPath, statPath, unpackInto } from '../files/container-files.js';
import type { PathStat, RootRequest } from '../files/files-request.js';
import type { FileChange } from '../files/upper-changes.js';
import { runChild } from '../snapshots/child-report.js';
import { rootfsPaths } from '../snapshots/rootfs.js';
import { lookUpUser } from './container-bundle.js';
import { emptyMountsOf } from './container-commit.js';
import type { ContainerCore } from './container-core.js';
import { bareRoot, fillVolumes, lowerOf, runningRoot, withStoppedRoot } from './container-files.js';
import { idsOf } from './container-userns.js';

const CHANGES_MAIN = fileURLToPath(new URL('../files/changes-main.js', import.meta.url));

export class ContainerArchives {
  readonly #core: ContainerCore;

  constructor(core: ContainerCore) {
    this.#core = core;
  }

  async stat(path: string): Promise<PathStat> {
    return this.#withFiles(true, async (root) => {
      try {
        return await statPath(this.#filesHost(), root, path);
      } catch (e) {
        throw this.#fileError(e, path);
      }
    });
  }

  /** The tar archive of a path, with what is mounted there. */
  async *read(path: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    this.#core.emit('archive-path', { path });
    yield* this.#streamFiles(true, (root) => packPath(this.#filesHost(), root, path, signal));
  }

  /** The tar archive of everything, without what is mounted. */
  async *export(signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    this.#core.emit('export');
    yield* this.#streamFiles(false, (root) => packPath(this.#filesHost(), root, '', signal));
  }

  async write(
    path: string,
    archive: AsyncIterable<Uint8Array>,
    options: { readonly keepKinds: boolean; readonly ownIds: boolean },
    signal?: AbortSignal,
  ): Promise<void> {
    const { keepKinds } = options;
    this.#refuseReadOnly(path);
    await this.#withFiles(true, async (root) => {
      const owner = options.ownIds ? this.#ownIds() : undefined;
      try {
        const how = { keepKinds, ...(owner ? { owner } : {}) };
        await unpackInto(this.#filesHost(), root, path, archive, how, signal);
      } catch (e) {
        throw this.#fileError(e, path);
      }
    });
    this.#core.emit('extract-to-dir', { path });
  }

  #refuseReadOnly(path: string): void {
    const { mounts, config } = this.#core.record;
    const [innermost] = mounts.filter((m) => isUnder(path, m.target)).sort((a, b) => b.target.length - a.target.length);
    if (innermost ? innermost.readOnly : config.readOnlyRootfs) throw readOnly(innermost !== undefined);
  }

  async changes(): Promise<readonly FileChange[]> {
    const { upper } = rootfsPaths(this.#core.paths.container);
    if (!existsSync(upper)) return [];
    const request = {
      upper,
      lower: lowerOf(this.#core.context, this.#core.record),
      emptyMounts: emptyMountsOf(this.#core.record),
    };
    return runChild<readonly FileChange[]>(this.#core.context.helper, CHANGES_MAIN, request, '');
  }

  #filesHost(): FilesHost {
    const { helper, execRoot, bundle } = this.#core.context;
    return { helper, directory: join(execRoot, 'attach'), ids: idsOf(bundle.layers.ids, this.#core.record.config) };
  }

  #ownIds(): { uid: number; gid: number } | undefined {
    if (this.#core.record.user === '' || !this.#core.isRunning) return undefined;
    return lookUpUser(rootfsPaths(this.#core.paths.container).target, this.#core.record.user, []);
  }

  /** A container that does not run is kept from starting while somebody is at its files. */
  async #withFiles<T>(mounted: boolean, work: (root: RootRequest) => Promise<T>): Promise<T> {
    await this.#core.lock.idle();
    this.#core.mustExist();
    if (this.#core.isRunning) return work(mounted ? runningRoot(this.#core.record) : bareRoot(this.#core.paths));
    return this.#core.lock.run(async () => {
      this.#core.mustExist();
      if (this.#core.isRunning) return work(mounted ? runningRoot(this.#core.record) : bareRoot(this.#core.paths));
      const { volumesFilled, mounts } = this.#core.record;
      if (mounted && !volumesFilled && mounts.some((m) => m.type === 'volume')) {
        await fillVolumes(this.#core.context, this.#core.record, this.#core.paths);
        await this.#core.change({ volumesFilled: true });
      }
      return withStoppedRoot(this.#core.context, this.#core.record, this.#core.paths, mounted, work);
    });
  }

  /** As `#withFiles`, for what comes piece by piece. */
  async *#streamFiles(
    mounted: boolean,
    work: (root: RootRequest) => AsyncGenerator<Uint8Array>,
  ): AsyncGenerator<Uint8Array> {
    let done: () => void = () => undefined;
    let opened: (root: RootRequest) => void = () => undefined;
    const root = new Promise<RootRequest>((resolve) => {
      opened = resolve;
    });
    const held = this.#withFiles(mounted, (r) => {
      opened(r);
      return new Promise<void>((resolve) => {
        done = resolve;
      });
    });
    try {
      yield* work(await Promise.race([root, held.then(() => root)]));
    } finally {
      done();
      await held;
    }
  }

  #fileError(e: unknown, path: string): unknown {
    // Through a link.
    if (isSwarmtsError(e, 'failed-precondition')) return readOnly(!this.#core.record.config.readOnlyRootfs);
    if (!isSwarmtsError(e, 'not-found')) return e;
    const what = `Could not find the file ${path} in container ${this.#core.record.id}`;
    return new SwarmtsError('not-found', what, { cause: e });
  }
}

function readOnly(inVolume: boolean): SwarmtsError {
  const what = inVolume ? 'mounted volume' : 'container rootfs';
  return new SwarmtsError('failed-precondition', `${what} is marked read-only`);
}

function isUnder(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}
