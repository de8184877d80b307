/** Images in memory, for tests of the API and its clients. It remembers what it was asked. */
import { SwarmtsError } from '@swarmts/lib';
import type { ImageSummary } from '../backend.js';
import type {
  BuildRequest,
  ContainerCommit,
  HistoryRecord,
  ImageBackend,
  ImageDiskUsage,
  ImageImport,
  ImagePlatform,
  ImagePrune,
  ProgressRecord,
  RemovedImage,
} from '../image-backend.js';
import { NOW_MS } from './memory-swarm.js';

/** Docker's client sends the whole name. */
const familiar = (ref: string) => ref.replace(/^docker\.io\/(library\/)?/, '');

export class MemoryImages implements ImageBackend {
  readonly imageList: ImageSummary[] = [memoryImage('alpine:3')];
  /** References that a registry answers for. */
  readonly registry = new Set<string>(['alpine:3']);
  /** Credentials of the last question to a registry. */
  lastAuth: unknown;
  /** Arguments of the verbs that change something, oldest first. */
  readonly asked: unknown[] = [];

  async list(): Promise<readonly ImageSummary[]> {
    return this.imageList;
  }

  async diskUsage(): Promise<ImageDiskUsage> {
    return { layersBytes: 4_200_000, sharedBytes: new Map(this.imageList.map((i) => [i.id, 7])) };
  }

  async find(ref: string): Promise<ImageSummary> {
    const found = this.imageList.find((i) => i.repoTags.includes(ref) || i.id === ref);
    if (found === undefined) throw new SwarmtsError('image-not-found', `No such image: ${ref}`);
    return found;
  }

  async history(ref: string): Promise<readonly HistoryRecord[]> {
    const { id, repoTags, createdAtMs } = await this.find(ref);
    const step = { createdAtMs, createdBy: '/bin/sh', comment: '', tags: [], sizeBytes: 1 };
    return [
      { ...step, id, tags: repoTags },
      { ...step, id: '<missing>' },
    ];
  }

  async *pull(
    ref: string,
    { auth, platform, all }: { readonly auth: unknown; readonly platform: string; readonly all: boolean },
  ): AsyncIterable<ProgressRecord> {
    this.lastAuth = auth;
    this.asked.push({ pull: ref, platform, all });
    if (ref.startsWith('refused/')) throw new SwarmtsError('image-not-found', `pull access denied for ${ref}`);
    yield { status: `Pulling from ${ref}` };
    const name = familiar(ref);
    if (!this.registry.has(name)) throw new SwarmtsError('image-not-found', `manifest for ${name} not found`);
    yield { status: `Status: Downloaded newer image for ${ref}` };
  }

  async *push(
    ref: string,
    { auth, all }: { readonly auth: unknown; readonly all: boolean },
  ): AsyncIterable<ProgressRecord> {
    this.lastAuth = auth;
    this.asked.push({ push: ref, all });
    yield { status: `The push refers to repository [${ref}]` };
    await this.find(all ? `${ref}:latest` : ref);
    yield { status: 'Pushed', id: 'abc', progressDetail: {} };
  }

  async load(archive: AsyncIterable<Uint8Array>, platforms: readonly ImagePlatform[]): Promise<readonly string[]> {
    const of = platforms.map((p) => `-${p.architecture}`).join('');
    return [`loaded${of}:${await sizeOf(archive)}`];
  }

  async *save(refs: readonly string[]): AsyncIterable<Uint8Array> {
    for (const ref of refs) await this.find(ref);
    yield Buffer.from(refs.join(','));
  }

  async importArchive(source: string | AsyncIterable<Uint8Array>, options: ImageImport): Promise<string> {
    this.asked.push({ import: typeof source === 'string' ? source : await sizeOf(source), ...options });
    return `sha256:${'1'.repeat(64)}`;
  }

  async tag(ref: string, target: string): Promise<void> {
    this.imageList.push({ ...(await this.find(ref)), repoTags: [target] });
  }

  async remove(ref: string, options: { readonly force: boolean; readonly prune: boolean }) {
    this.asked.push({ remove: ref, ...options });
    const found = await this.find(ref);
    this.imageList.splice(this.imageList.indexOf(found), 1);
    return [{ untagged: ref }, { deleted: found.id }];
  }

  async prune(
    options: ImagePrune,
  ): Promise<{ readonly removed: readonly RemovedImage[]; readonly freedBytes: number }> {
    const gone = this.imageList.filter((i) => (!options.danglingOnly || i.repoTags.length === 0) && options.accepts(i));
    return { removed: gone.map((i) => ({ deleted: i.id })), freedBytes: gone.length * 10 };
  }

  async commit(options: ContainerCommit): Promise<string> {
    this.asked.push({ commit: options });
    return `sha256:${'2'.repeat(64)}`;
  }

  async *build(request: BuildRequest, signal: AbortSignal): AsyncIterable<ProgressRecord> {
    const { context, ...rest } = request;
    this.asked.push({
      build: { ...rest, buildArgs: Object.fromEntries(request.buildArgs) },
      bytes: await sizeOf(context),
    });
    yield { stream: 'Step 1/1 : FROM x\n' };
    if (request.target === 'broken') {
      throw Object.assign(new SwarmtsError('invalid-argument', 'returned a non-zero code: 7'), { exitCode: 7 });
    }
    if (request.target === 'endless') await new Promise((resolve) => signal.addEventListener('abort', resolve));
    signal.throwIfAborted();
    yield { aux: { ID: `sha256:${'3'.repeat(64)}` } };
  }

  async login(auth: unknown): Promise<string> {
    this.lastAuth = auth;
    if (JSON.stringify(auth).includes('wrong')) {
      throw new SwarmtsError('unauthenticated', 'unauthorized: incorrect username or password');
    }
    return '';
  }
}

export function memoryImage(tag: string, more: Partial<ImageSummary> = {}): ImageSummary {
  return {
    id: `sha256:${'a'.repeat(64)}`,
    repoTags: [tag],
    repoDigests: [`${tag.split(':')[0]}@sha256:${'d'.repeat(64)}`],
    createdAtMs: NOW_MS,
    created: new Date(NOW_MS).toISOString(),
    sizeBytes: 4_200_000,
    architecture: 'amd64',
    os: 'linux',
    labels: {},
    config: { Cmd: ['sh'] },
    layers: [],
    parent: '',
    hasChildren: false,
    directories: ['/overlay/b/diff', '/overlay/a/diff'],
    author: '',
    comment: '',
    taggedAtMs: 0,
    ...more,
  };
}

async function sizeOf(archive: AsyncIterable<Uint8Array>): Promise<number> {
  let size = 0;
  for await (const chunk of archive) size += chunk.byteLength;
  return size;
}
