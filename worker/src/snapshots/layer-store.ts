/**
 * Unpacked layers: `overlay/<chain id>/{diff,layer.json}` plus a short link `overlay/l/<name>` that keeps overlayfs' mount
 * options short. A layer directory exists under its chain id only when it is complete; half-made ones are swept at open. Below all
 * layers lies one directory with what every container has mounts on, so that nobody has to make that in each of them.
 */
import { chown, lchown, mkdir, readdir, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errnoOf, invariant, type Logger, messageOf, newHexId, SwarmtsError, writeFileAtomic } from '@swarmts/lib';
import type { HelperApi } from '../helper/helper-api.js';
import { abortError, SharedJobs } from '../images/shared-jobs.js';
import { type IdMaps, type Owner, ownerOnHost, ROOT } from '../userns/id-map.js';
import { removeTree } from './remove-tree.js';
import { readUnpackReport } from './unpack-report.js';

export interface LayerSource {
  readonly chainId: string;
  readonly diffId: string;
  /** Path of the layer's blob. */
  readonly blob: string;
}

interface LayerRecord {
  readonly diffId: string;
  readonly sizeBytes: number;
  /** Name of the short link. */
  readonly link: string;
}

const UNPACK_MAIN = fileURLToPath(new URL('./unpack-main.js', import.meta.url));
const TMP_PREFIX = 'tmp-';
const LINK_DIR = 'l';
const BASE_DIR = 'base';
const BASE_FOLDERS = ['dev', 'proc', 'sys', 'etc'];
/** By the last one programs find out that they are in a container. */
const BASE_FILES = { 'etc/hosts': 0o644, 'etc/hostname': 0o644, 'etc/resolv.conf': 0o644, '.dockerenv': 0o755 };
const MOUNT_TABLE = 'etc/mtab';

export class LayerStore {
  readonly root: string;
  /** What the owners of the unpacked files are on the machine; undefined: what they are in the layers. */
  readonly ids: IdMaps | undefined;
  readonly #helper: HelperApi;
  readonly #logger: Logger;
  readonly #layers = new Map<string, LayerRecord>();
  /** Under way, until the place of the layer is free. */
  readonly #removals = new Map<string, Promise<unknown>>();
  readonly #jobs = new SharedJobs<void, never>();
  #nextLink = 0;

  private constructor(root: string, helper: HelperApi, logger: Logger, ids: IdMaps | undefined) {
    this.root = root;
    this.ids = ids;
    this.#helper = helper;
    this.#logger = logger;
  }

  static async open(root: string, helper: HelperApi, logger: Logger, ids?: IdMaps): Promise<LayerStore> {
    const store = new LayerStore(root, helper, logger, ids);
    await mkdir(join(root, LINK_DIR), { recursive: true, mode: 0o711 });
    await makeBase(join(root, BASE_DIR), ownerOnHost(ids, ROOT));
    await store.#load();
    return store;
  }

  has(chainId: string): boolean {
    return this.#layers.has(chainId);
  }

  /** Bytes of the files in the layer. */
  sizeBytes(chainId: string): number {
    return this.#layers.get(chainId)?.sizeBytes ?? 0;
  }

  list(): string[] {
    return [...this.#layers.keys()];
  }

  /** Lower directories for a mount with cwd `root`, topmost first. `chain` is bottom first. */
  lowerDirs(chain: readonly string[]): string[] {
    const links = chain.toReversed().map((chainId) => {
      const layer = this.#layers.get(chainId);
      if (!layer)
        throw new SwarmtsError('corrupt', `layer ${chainId} is missing from ${this.root}; pull the image again`);
      return `${LINK_DIR}/${layer.link}`;
    });
    return [...links, BASE_DIR];
  }

  /** Where the files of each layer are, topmost first. */
  directories(chain: readonly string[]): string[] {
    return chain.toReversed().map((chainId) => join(this.#directory(chainId), 'diff'));
  }

  /** Unpacks the layer unless it is there already; concurrent calls for one layer share the work. */
  async ensure(layer: LayerSource, signal?: AbortSignal): Promise<void> {
    if (this.has(layer.chainId)) return;
    await this.#jobs.run(layer.chainId, (s) => this.#unpack(layer, s), { signal });
  }

  async remove(chainId: string): Promise<void> {
    const layer = this.#layers.get(chainId);
    if (!layer) return;
    this.#layers.delete(chainId);
    const removal = rm(join(this.root, LINK_DIR, layer.link), { force: true })
      .then(() => this.#setAside(chainId))
      .finally(() => this.#removals.delete(chainId));
    this.#removals.set(chainId, removal);
    await this.#removeTree(await removal);
  }

  /** Renamed first, so that a crash in the middle of its removal leaves garbage and not half a layer. */
  async #setAside(chainId: string): Promise<string> {
    const aside = join(this.root, `${TMP_PREFIX}${newHexId().slice(0, 12)}`);
    await rename(this.#directory(chainId), aside);
    return aside;
  }

  async #unpack(layer: LayerSource, signal: AbortSignal): Promise<void> {
    // Somebody who was given up may have come to the end of it all the same.
    if (this.has(layer.chainId)) return;
    const tmp = join(this.root, `${TMP_PREFIX}${newHexId().slice(0, 12)}`);
    await mkdir(tmp, { mode: 0o711 });
    try {
      const maps = this.ids ? [JSON.stringify(this.ids)] : [];
      const argv = [process.execPath, UNPACK_MAIN, layer.blob, join(tmp, 'diff'), layer.diffId, ...maps];
      const result = await this.#helper.run({ argv }, signal);
      if (signal.aborted) throw abortError(signal);
      if (result.code !== 0) {
        const text = Buffer.from(result.stderr).toString('utf8').trim();
        throw new SwarmtsError(
          'internal',
          `failed to register layer: unpacking ended with ${result.signal || result.code}: ${text}`,
        );
      }
      const sizeBytes = readUnpackReport(result.stdout, 'failed to register layer');
      await this.#install(layer, tmp, sizeBytes);
    } catch (e) {
      await this.#removeTree(tmp);
      throw e;
    }
  }

  async #install(layer: LayerSource, tmp: string, sizeBytes: number): Promise<void> {
    const record: LayerRecord = { diffId: layer.diffId, sizeBytes, link: (this.#nextLink++).toString(36) };
    await writeFileAtomic(join(tmp, 'layer.json'), JSON.stringify(record));
    // It gives its place up before long.
    await this.#removals.get(layer.chainId)?.catch(() => undefined);
    await this.#place(tmp, layer.chainId);
    await this.#link(layer.chainId, record.link);
    this.#layers.set(layer.chainId, record);
  }

  /** What is there already is no layer: some step of a removal, or of an earlier unpacking, has failed. */
  async #place(tmp: string, chainId: string): Promise<void> {
    try {
      await rename(tmp, this.#directory(chainId));
    } catch (e) {
      if (errnoOf(e) !== 'ENOTEMPTY' && errnoOf(e) !== 'EEXIST') throw e;
      const aside = await this.#setAside(chainId);
      await rename(tmp, this.#directory(chainId));
      await this.#removeTree(aside);
    }
  }

  async #link(chainId: string, link: string): Promise<void> {
    await symlink(join('..', hexOf(chainId), 'diff'), join(this.root, LINK_DIR, link));
  }

  #directory(chainId: string): string {
    return join(this.root, hexOf(chainId));
  }

  async #load(): Promise<void> {
    for (const name of await readdir(this.root)) {
      if (name.startsWith(TMP_PREFIX)) await this.#removeTree(join(this.root, name));
      else if (/^[0-9a-f]{64}$/.test(name)) await this.#loadLayer(name);
    }
    await this.#repairLinks();
  }

  async #loadLayer(hex: string): Promise<void> {
    try {
      const text = await readFile(join(this.root, hex, 'layer.json'), 'utf8');
      // Written by #install alone.
      const record = JSON.parse(text) as LayerRecord;
      this.#layers.set(`sha256:${hex}`, record);
      this.#nextLink = Math.max(this.#nextLink, Number.parseInt(record.link, 36) + 1);
    } catch (e) {
      this.#logger.warn('removing a damaged layer', { layer: hex, error: e });
      await this.#removeTree(join(this.root, hex));
    }
  }

  /** Links and layers are made one after the other: a crash between them is mended here. */
  async #repairLinks(): Promise<void> {
    const wanted = new Map([...this.#layers].map(([chainId, r]) => [r.link, chainId]));
    for (const link of await readdir(join(this.root, LINK_DIR))) {
      const chainId = wanted.get(link);
      const target = await readlink(join(this.root, LINK_DIR, link));
      if (chainId && target === join('..', hexOf(chainId), 'diff')) wanted.delete(link);
      else await rm(join(this.root, LINK_DIR, link));
    }
    for (const [link, chainId] of wanted) await this.#link(chainId, link);
  }

  async #removeTree(path: string): Promise<void> {
    try {
      await removeTree(this.#helper, path);
    } catch (e) {
      this.#logger.warn('cannot remove a layer directory yet', { path, error: messageOf(e) });
    }
  }
}

async function makeBase(base: string, { uid, gid }: Owner): Promise<void> {
  for (const folder of BASE_FOLDERS) {
    await mkdir(join(base, folder), { recursive: true, mode: 0o755 });
    await chown(join(base, folder), uid, gid);
  }
  for (const [file, mode] of Object.entries(BASE_FILES)) {
    await writeFile(join(base, file), '', { mode });
    await chown(join(base, file), uid, gid);
  }
  const table = join(base, MOUNT_TABLE);
  await symlink('/proc/mounts', table).catch((e: unknown) => {
    if (errnoOf(e) !== 'EEXIST') throw e;
  });
  await lchown(table, uid, gid);
}

function hexOf(chainId: string): string {
  invariant(/^sha256:[0-9a-f]{64}$/.test(chainId), `bad chain id ${chainId}`);
  return chainId.slice('sha256:'.length);
}
