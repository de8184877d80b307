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
import type { ContainerContext } from './container-context.js';
import { bareRoot, fillVolumes, lowerOf, runningRoot, stoppedRoot } from './container-files.js';
import type { ContainerPaths } from './container-paths.js';
import type { ContainerRecord } from './container-record.js';
import { releaseVolumes } from './container-teardown.js';
import { idsOf } from './container-userns.js';
import type { SerialLock } from './serial-lock.js';

export interface ContainerArchivesOptions {
  readonly context: ContainerContext;
  readonly paths: ContainerPaths;
  readonly lock: SerialLock;
  readonly record: () => ContainerRecord;
  readonly isRunning: () => boolean;
  /** Its volumes have what the image has there. */
  readonly onFilled: () => Promise<void>;
  /** Throws SwarmtsError 'not-found' for a container that was removed. */
  readonly mustExist: () => void;
  readonly emit: (action: string, attributes?: Readonly<Record<string, string>>) => void;
}

const CHANGES_MAIN = fileURLToPath(new URL('../files/changes-main.js', import.meta.url));

export class ContainerArchives {
  readonly #o: ContainerArchivesOptions;

  constructor(options: ContainerArchivesOptions) {
    this.#o = options;
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
    this.#o.emit('archive-path', { path });
    yield* this.#streamFiles(true, (root) => packPath(this.#filesHost(), root, path, signal));
  }

  /** The tar archive of everything, without what is mounted. */
  async *export(signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    this.#o.emit('export');
    yield* this.#streamFiles(false, (root) => packPath(this.#filesHost(), root, '', signal));
  }

  async write(
    path: string,
    archive: AsyncIterable<Uint8Array>,
    options: { readonly keepKinds: boolean; readonly ownIds: boolean },
    signal?: AbortSignal,
  ): Promise<void> {
    const { keepKinds } = options;
    if (this.#o.record().config.readOnlyRootfs && !this.#o.record().mounts.some((m) => isUnder(path, m.target))) {
      throw new SwarmtsError('failed-precondition', 'container rootfs is marked read-only');
    }
    await this.#withFiles(true, async (root) => {
      const owner = options.ownIds ? this.#ownIds() : undefined;
      try {
        const how = { keepKinds, ...(owner ? { owner } : {}) };
        await unpackInto(this.#filesHost(), root, path, archive, how, signal);
      } catch (e) {
        throw this.#fileError(e, path);
      }
    });
    this.#o.emit('extract-to-dir', { path });
  }

  async changes(): Promise<readonly FileChange[]> {
    const { upper } = rootfsPaths(this.#o.paths.container);
    if (!existsSync(upper)) return [];
    const request = {
      upper,
      lower: lowerOf(this.#o.context, this.#o.record()),
      emptyMounts: emptyMountsOf(this.#o.record()),
    };
    return runChild<readonly FileChange[]>(this.#o.context.helper, CHANGES_MAIN, request, '');
  }

  #filesHost(): FilesHost {
    const { helper, execRoot, bundle } = this.#o.context;
    return { helper, directory: join(execRoot, 'attach'), ids: idsOf(bundle.layers.ids, this.#o.record().config) };
  }

  #ownIds(): { uid: number; gid: number } | undefined {
    if (this.#o.record().user === '' || !this.#o.isRunning()) return undefined;
    return lookUpUser(rootfsPaths(this.#o.paths.container).target, this.#o.record().user, []);
  }

  /** A container that does not run is kept from starting while somebody is at its files. */
  async #withFiles<T>(mounted: boolean, work: (root: RootRequest) => Promise<T>): Promise<T> {
    await this.#o.lock.idle();
    this.#o.mustExist();
    if (this.#o.isRunning()) return work(mounted ? runningRoot(this.#o.record()) : bareRoot(this.#o.paths));
    return this.#o.lock.run(async () => {
      this.#o.mustExist();
      if (this.#o.isRunning()) return work(mounted ? runningRoot(this.#o.record()) : bareRoot(this.#o.paths));
      const { volumesFilled, mounts } = this.#o.record();
      if (mounted && !volumesFilled && mounts.some((m) => m.type === 'volume')) {
        await fillVolumes(this.#o.context, this.#o.record(), this.#o.paths);
        await this.#o.onFilled();
      }
      try {
        return await work(await stoppedRoot(this.#o.context, this.#o.record(), this.#o.paths, mounted));
      } finally {
        await releaseVolumes(this.#o.context, this.#o.record());
      }
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
    if (!isSwarmtsError(e, 'not-found')) return e;
    const what = `Could not find the file ${path} in container ${this.#o.record().id}`;
    return new SwarmtsError('not-found', what, { cause: e });
  }
}

function isUnder(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}
