/** The images part of the API's backend: the engine's images in the API's words. */
import type {
  BuildRequest,
  ContainerCommit,
  HistoryRecord,
  ImageBackend,
  ImageImport,
  ImagePlatform,
  ImagePrune,
  ImageSummary,
  ProgressRecord,
  RemovedImage,
} from '@swarmts/api';
import { Channel, SwarmtsError, WatchStream } from '@swarmts/lib';
import {
  applyChanges,
  type BuildOptions,
  type BuildRecord,
  type ContainerEngine,
  fetchArchive,
  type ImageConfig,
  type ImageInfo,
  noSuchImage,
  type Platform,
  parsePlatform,
  type RegistryAuth,
} from '@swarmts/worker';

/** The last ones of a quiet build, which are told when it fails. */
const MAX_UNSAID_RECORDS = 10_000;

export class EngineImageBackend implements ImageBackend {
  readonly #engine: ContainerEngine;

  constructor(engine: ContainerEngine) {
    this.#engine = engine;
  }

  async list(): Promise<readonly ImageSummary[]> {
    return this.#engine.images.list();
  }

  async diskUsage(): ReturnType<ImageBackend['diskUsage']> {
    return this.#engine.images.diskUsage();
  }

  async find(ref: string): Promise<ImageInfo> {
    const found = await this.#engine.images.find(ref);
    if (!found) throw noSuchImage(ref);
    return found;
  }

  async history(ref: string): Promise<readonly HistoryRecord[]> {
    return this.#engine.images.history(ref);
  }

  async *pull(
    ref: string,
    { auth, platform, all }: { readonly auth: unknown; readonly platform: string; readonly all: boolean },
    signal: AbortSignal,
  ): AsyncGenerator<ProgressRecord> {
    const options = { ...withAuth(auth), ...withPlatform(platform), signal };
    const { images } = this.#engine;
    yield* records((onProgress) =>
      all ? images.pullAll(ref, { ...options, onProgress }) : images.pull(ref, { ...options, onProgress }),
    );
  }

  async *push(
    ref: string,
    { auth, all }: { readonly auth: unknown; readonly all: boolean },
    signal: AbortSignal,
  ): AsyncGenerator<ProgressRecord> {
    const options = { ...withAuth(auth), all, signal };
    yield* records((onProgress) => this.#engine.images.push(ref, { ...options, onProgress }));
  }

  async load(
    archive: AsyncIterable<Uint8Array>,
    platforms: readonly ImagePlatform[],
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    return this.#engine.images.load(archive, signal, platforms);
  }

  save(refs: readonly string[], signal: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#engine.images.save(refs, signal);
  }

  async importArchive(
    source: string | AsyncIterable<Uint8Array>,
    options: ImageImport,
    signal: AbortSignal,
  ): Promise<string> {
    const { name, message, changes, platform } = options;
    const config = applyChanges({}, changes);
    const archive = typeof source === 'string' ? fetchArchive(source, signal) : source;
    return this.#engine.images.importArchive(archive, { name, message, config, ...withPlatform(platform), signal });
  }

  async tag(ref: string, target: string): Promise<void> {
    await this.#engine.images.tag(ref, target);
  }

  async remove(ref: string, o: { readonly force: boolean; readonly prune: boolean }): Promise<readonly RemovedImage[]> {
    return this.#engine.images.remove(ref, o.force, o.prune);
  }

  async prune(options: ImagePrune): ReturnType<ImageBackend['prune']> {
    return this.#engine.images.prune(options);
  }

  async commit(o: ContainerCommit): Promise<string> {
    const container = this.#engine.find(o.container);
    if (!container) throw new SwarmtsError('not-found', `No such container: ${o.container}`);
    const { name, author, comment, pause } = o;
    const config = (own: ImageConfig) => applyChanges({ ...own, ...givenFields(o.config) }, o.changes);
    return this.#engine.commit(container.id, { name, author, comment, pause, config });
  }

  async *build(request: BuildRequest, signal: AbortSignal): AsyncGenerator<ProgressRecord> {
    const channel = new Channel<ProgressRecord>();
    const gone = new AbortController();
    const { quiet } = request;
    const unsaid: ProgressRecord[] = [];
    const report = async (r: BuildRecord) => {
      if (!quiet) return channel.push({ ...r });
      unsaid.push({ ...r });
      if (unsaid.length > MAX_UNSAID_RECORDS) unsaid.shift();
    };
    const options = { ...buildOptions(request), report, signal: AbortSignal.any([signal, gone.signal]) };
    const building = this.#engine
      .build(options)
      .then(async (id) => {
        if (quiet) await channel.push({ stream: `${id}\n` });
        return undefined;
      })
      .catch((e: unknown) => ({ reason: e }))
      .finally(() => channel.close());
    try {
      yield* channel;
      const failure = await building;
      if (!failure) return;
      yield* unsaid;
      throw failure.reason;
    } finally {
      gone.abort(new SwarmtsError('aborted', 'nobody waits for the build any more'));
      await building;
    }
  }

  async login(auth: unknown, signal: AbortSignal): Promise<string> {
    const credentials = credentialsOf(auth);
    const anonymous = { username: '', password: '', serverAddress: addressOf(auth) };
    return this.#engine.images.login(credentials ?? anonymous, signal);
  }
}

/** Fields of Docker's container configuration that an image keeps. */
const IMAGE_FIELDS = [
  ...['User', 'ExposedPorts', 'Env', 'Entrypoint', 'Cmd', 'Volumes', 'WorkingDir', 'Labels', 'StopSignal', 'Shell'],
  ...['OnBuild', 'Healthcheck'],
];

/** What the client has set; clients send empty fields for what they leave alone. */
function givenFields(config: Readonly<Record<string, unknown>>): ImageConfig {
  const isGiven = (v: unknown) =>
    v !== null && v !== '' && v !== undefined && !(typeof v === 'object' && Object.keys(v).length === 0);
  return Object.fromEntries(IMAGE_FIELDS.flatMap((k) => (isGiven(config[k]) ? [[k, config[k]]] : [])));
}

function buildOptions(r: BuildRequest): Omit<BuildOptions, 'report' | 'signal'> {
  const { dockerfile, tags, buildArgs, labels, target, noCache, cacheFrom, pull, context } = r;
  const { remove, forceRemove, shmSizeBytes } = r;
  return {
    ...{ dockerfile, tags, buildArgs, labels, target, noCache, cacheFrom, pull, context },
    ...{ remove, forceRemove, shmSizeBytes },
    ...networkOf(r.networkMode),
    extraHosts: r.extraHosts.map(hostLine),
    resources: {
      nanoCpus: r.nanoCpus,
      memoryBytes: r.memoryBytes,
      memoryReservationBytes: 0,
      pidsLimit: 0,
      ulimits: r.ulimits,
      ...(r.cpuShares ? { cpuShares: r.cpuShares } : {}),
      ...(r.cpusetCpus ? { cpusetCpus: r.cpusetCpus } : {}),
      ...(r.cpusetMems ? { cpusetMems: r.cpusetMems } : {}),
      ...(r.memorySwapBytes ? { memorySwapBytes: r.memorySwapBytes } : {}),
    },
    confinement: { ...r.security, ...(r.cgroupParent ? { cgroupParent: r.cgroupParent } : {}) },
    authOf: (registry) => credentialsOf(r.auths[registry] ?? (registry === 'docker.io' ? r.auths[HUB] : undefined)),
    ...withPlatform(r.platform),
  };
}

/** The Hub's key in clients' configuration files. */
const HUB = 'https://index.docker.io/v1/';

function networkOf(mode: string): Pick<BuildOptions, 'networkMode' | 'network' | 'networkContainer'> {
  if (mode === '' || mode === 'default' || mode === 'bridge') return { networkMode: 'local' };
  if (mode === 'host' || mode === 'none') return { networkMode: mode };
  const [, networkContainer] = /^container:(.+)$/.exec(mode) ?? [];
  return { networkMode: 'local', ...(networkContainer ? { networkContainer } : { network: mode }) };
}

/** "name:address" as a line of /etc/hosts. */
function hostLine(text: string): string {
  const at = text.indexOf(':');
  if (at <= 0) throw new SwarmtsError('invalid-argument', `bad format for add-host: "${text}"`);
  return `${text.slice(at + 1)} ${text.slice(0, at)}`;
}

/** Runs `work` and yields what it reports meanwhile; its failure comes last. */
export async function* records(
  work: (onProgress: (p: object) => void) => Promise<unknown>,
): AsyncGenerator<ProgressRecord> {
  const stream = new WatchStream<ProgressRecord>();
  const failed = work((p) => stream.push({ ...p }))
    .then(
      () => undefined,
      (e: unknown) => ({ reason: e }),
    )
    .finally(() => stream.close());
  yield* stream;
  const failure = await failed;
  if (failure) throw failure.reason;
}

function withAuth(auth: unknown): { readonly auth?: RegistryAuth } {
  const credentials = credentialsOf(auth);
  return credentials ? { auth: credentials } : {};
}

export function withPlatform(text: string): { readonly platform?: Platform } {
  return text === '' ? {} : { platform: parsePlatform(text) };
}

/** The object of X-Registry-Auth. */
export function credentialsOf(auth: unknown): RegistryAuth | undefined {
  const username = field(auth, 'username');
  const identityToken = field(auth, 'identitytoken');
  if (username === '' && identityToken === '') return undefined;
  return {
    username,
    password: field(auth, 'password'),
    ...(identityToken ? { identityToken } : {}),
    serverAddress: addressOf(auth),
  };
}

function addressOf(auth: unknown): string {
  return field(auth, 'serveraddress');
}

function field(value: unknown, name: string): string {
  if (typeof value !== 'object' || value === null) return '';
  const v = (value as Record<string, unknown>)[name];
  return typeof v === 'string' ? v : '';
}
