/**
 * Registry manifests, indexes and image configs: bytes from the network become typed values here, once. Whatever does
 * not have the promised shape is refused with 'corrupt' and the name of the field.
 */
import { createHash } from 'node:crypto';
import { SwarmtsError } from '@swarmts/lib';
import { isSha256Digest } from '@swarmts/proto';
import type { ImageConfig } from './image-api.js';

export const mediaTypes = {
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
} as const;

/** What the client offers to a registry. */
export const acceptedManifests = [
  mediaTypes.ociIndex,
  mediaTypes.dockerList,
  mediaTypes.ociManifest,
  mediaTypes.dockerManifest,
];

/** Image configs and manifests are small; more is neither, and would be read into memory whole. */
export const MAX_CONFIG_BYTES = 4 << 20;
/** An image cannot have more layers than overlayfs can stack (with a margin for the container's own). */
export const MAX_LAYERS = 480;
const MAX_INDEX_ENTRIES = 1000;
/** Steps without a layer count too. */
const MAX_HISTORY = 10_000;

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: Platform;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface ImageManifest {
  readonly kind: 'manifest';
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

export interface ImageIndex {
  readonly kind: 'index';
  readonly manifests: readonly Descriptor[];
}

export interface ParsedConfig {
  readonly architecture: string;
  readonly variant?: string;
  readonly os: string;
  readonly createdAtMs: number;
  /** As it is written in the config, '' without one. */
  readonly created: string;
  readonly author: string;
  readonly comment: string;
  readonly diffIds: readonly string[];
  readonly config: ImageConfig;
  /** Oldest first. */
  readonly history: readonly HistoryEntry[];
  /** As it is written, to go on with. */
  readonly rawHistory: readonly unknown[];
}

export interface HistoryEntry {
  readonly createdAtMs: number;
  readonly createdBy: string;
  readonly comment: string;
  readonly emptyLayer: boolean;
}

export function sha256Digest(data: Uint8Array): string {
  return `sha256:${createHash('sha256').update(data).digest('hex')}`;
}

/** Parses a manifest or an index; `contentType` is what the registry said, the document's own mediaType wins. */
export function parseManifest(data: Uint8Array, contentType = ''): ImageManifest | ImageIndex {
  const doc = parseObject(data, 'manifest');
  const type = typeof doc.mediaType === 'string' ? doc.mediaType : contentType.split(';')[0]?.trim();
  if (doc.schemaVersion !== 2) throw corrupt(`unsupported manifest schema version ${doc.schemaVersion}`);
  if (Array.isArray(doc.manifests) || type === mediaTypes.ociIndex || type === mediaTypes.dockerList) {
    const manifests = arrayOf(doc.manifests, 'manifests', MAX_INDEX_ENTRIES).map((d, i) =>
      parseDescriptor(d, `manifests[${i}]`),
    );
    return { kind: 'index', manifests };
  }
  const layers = arrayOf(doc.layers, 'layers', MAX_LAYERS).map((d, i) => parseDescriptor(d, `layers[${i}]`));
  return { kind: 'manifest', config: parseDescriptor(doc.config, 'config'), layers };
}

/** Parses an image config and checks it against the number of layers of its manifest. */
export function parseImageConfig(data: Uint8Array, layerCount?: number): ParsedConfig {
  const doc = parseObject(data, 'image config');
  const rootfs = isRecord(doc.rootfs) ? doc.rootfs : {};
  const diffIds = arrayOf(rootfs.diff_ids ?? [], 'rootfs.diff_ids', MAX_LAYERS).map((d) => {
    if (typeof d !== 'string' || !isSha256Digest(d)) throw corrupt(`image config: bad diff id ${JSON.stringify(d)}`);
    return d;
  });
  if (layerCount !== undefined && diffIds.length !== layerCount) {
    throw corrupt(`image config names ${diffIds.length} layers, the manifest ${layerCount}`);
  }
  const rawHistory = doc.history == null ? [] : arrayOf(doc.history, 'history', MAX_HISTORY);
  return {
    architecture: textOf(doc.architecture),
    ...(textOf(doc.variant) ? { variant: textOf(doc.variant) } : {}),
    os: textOf(doc.os) || 'linux',
    createdAtMs: timeOf(doc.created),
    created: textOf(doc.created),
    author: textOf(doc.author),
    comment: textOf(doc.comment),
    diffIds,
    config: parseRunConfig(isRecord(doc.config) ? doc.config : {}),
    history: rawHistory.map((h) => parseHistory(isRecord(h) ? h : {})),
    rawHistory,
  };
}

function parseHistory(h: Record<string, unknown>): HistoryEntry {
  return {
    createdAtMs: timeOf(h.created),
    createdBy: textOf(h.created_by),
    comment: textOf(h.comment),
    emptyLayer: h.empty_layer === true,
  };
}

function timeOf(value: unknown): number {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isFinite(ms) ? ms : 0;
}

/** The entry for `want`: exact variant first, then any variant of the same architecture; attestations never match. */
export function choosePlatform(index: ImageIndex, want: Platform): Descriptor {
  const fits = index.manifests.filter(
    (d) => d.platform?.os === want.os && d.platform.architecture === want.architecture,
  );
  const exact = fits.find((d) => (d.platform?.variant ?? '') === (want.variant ?? ''));
  const chosen = exact ?? fits[0] ?? onlyEntryWithoutPlatform(index);
  if (chosen) return chosen;
  throw new SwarmtsError(
    'image-not-found',
    `no matching manifest for ${platformName(want)} in the manifest list entries`,
  );
}

/** "linux/arm64/v8" */
export function platformName({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant ? [variant] : [])].join('/');
}

/** The chain ids of a stack of layers, bottom first (OCI image spec, "Layer ChainID"). */
export function chainIds(diffIds: readonly string[]): string[] {
  const chain: string[] = [];
  for (const diffId of diffIds) {
    const parent = chain.at(-1);
    chain.push(parent === undefined ? diffId : sha256Digest(Buffer.from(`${parent} ${diffId}`)));
  }
  return chain;
}

const ARCHITECTURES: Readonly<Record<string, readonly [string, string?]>> = {
  x86_64: ['amd64'],
  'x86-64': ['amd64'],
  aarch64: ['arm64', 'v8'],
  armhf: ['arm', 'v7'],
  armel: ['arm', 'v6'],
  i386: ['386'],
};

const COMPONENT = /^[A-Za-z0-9_.-]+$/;

/** Go's, which stand alone for the usual operating system. */
const KNOWN_ARCHITECTURES: ReadonlySet<string> = new Set(
  '386 amd64 arm arm64 loong64 mips mipsle mips64 mips64le ppc64 ppc64le riscv64 s390x wasm'.split(' '),
);

/** "linux/arm64", "linux/arm/v7" or an architecture alone. */
export function parsePlatform(text: string): Platform {
  const wrong = (why: string) => new SwarmtsError('invalid-argument', `${why}: invalid argument`);
  const parts = text.toLowerCase().split('/');
  const bad = text.split('/').find((part) => !COMPONENT.test(part));
  if (bad !== undefined) {
    const why = `platform specifier component must match "${COMPONENT.source}"`;
    throw wrong(`"${bad}" is an invalid component of "${text}": ${why}`);
  }
  if (parts.length > 3) throw wrong(`"${text}": cannot parse platform specifier`);
  const [first = ''] = parts;
  const isOs = parts.length > 1 || ['linux', 'windows', 'darwin', 'freebsd'].includes(first);
  if (!isOs && !KNOWN_ARCHITECTURES.has(ARCHITECTURES[first]?.[0] ?? first))
    throw wrong(`"${text}": unknown operating system or architecture`);
  const [os = 'linux', written = hostPlatform().architecture, given] = isOs ? parts : ['linux', first];
  const [architecture, implied] = ARCHITECTURES[written] ?? [written];
  const variant = given ?? implied ?? (architecture === 'arm64' ? 'v8' : undefined);
  return { os, architecture, ...(variant ? { variant } : {}) };
}

/** This machine's platform in Go's words. */
export function hostPlatform(arch: string = process.arch): Platform {
  const names: Readonly<Record<string, Platform>> = {
    x64: { os: 'linux', architecture: 'amd64' },
    arm64: { os: 'linux', architecture: 'arm64', variant: 'v8' },
    arm: { os: 'linux', architecture: 'arm', variant: 'v7' },
    ia32: { os: 'linux', architecture: '386' },
    loong64: { os: 'linux', architecture: 'loong64' },
    ppc64: { os: 'linux', architecture: 'ppc64le' },
  };
  return names[arch] ?? { os: 'linux', architecture: arch };
}

function onlyEntryWithoutPlatform(index: ImageIndex): Descriptor | undefined {
  return index.manifests.length === 1 && !index.manifests[0]?.platform ? index.manifests[0] : undefined;
}

function parseDescriptor(value: unknown, what: string): Descriptor {
  if (!isRecord(value)) throw corrupt(`manifest: ${what} is missing`);
  const { digest, size, mediaType } = value;
  if (typeof digest !== 'string' || !isSha256Digest(digest)) {
    throw corrupt(`manifest: ${what} has a bad digest ${JSON.stringify(digest)}`);
  }
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw corrupt(`manifest: ${what} has a bad size ${JSON.stringify(size)}`);
  }
  const platform = isRecord(value.platform) ? platformOf(value.platform) : undefined;
  const annotations = stringMap(value.annotations);
  return { mediaType: textOf(mediaType), digest, size, annotations, ...(platform ? { platform } : {}) };
}

function platformOf(value: Record<string, unknown>): Platform {
  const variant = textOf(value.variant);
  const base = { os: textOf(value.os), architecture: textOf(value.architecture) };
  return variant ? { ...base, variant } : base;
}

function parseRunConfig(c: Record<string, unknown>): ImageConfig {
  return {
    ...defined('User', textOf(c.User) || undefined),
    ...defined('ExposedPorts', isRecord(c.ExposedPorts) ? c.ExposedPorts : undefined),
    ...defined('Env', stringList(c.Env)),
    ...defined('Entrypoint', stringList(c.Entrypoint)),
    ...defined('Cmd', stringList(c.Cmd)),
    ...defined('Volumes', isRecord(c.Volumes) ? c.Volumes : undefined),
    ...defined('WorkingDir', textOf(c.WorkingDir) || undefined),
    ...defined('Labels', isRecord(c.Labels) ? stringMap(c.Labels) : undefined),
    ...defined('StopSignal', textOf(c.StopSignal) || undefined),
    ...defined('Shell', stringList(c.Shell)),
    ...defined('OnBuild', stringList(c.OnBuild)),
    ...defined('Healthcheck', isRecord(c.Healthcheck) ? parseHealthcheck(c.Healthcheck) : undefined),
  };
}

function parseHealthcheck(h: Record<string, unknown>): NonNullable<ImageConfig['Healthcheck']> {
  const num = (key: string) => (typeof h[key] === 'number' ? h[key] : undefined);
  return {
    ...defined('Test', stringList(h.Test)),
    ...defined('Interval', num('Interval')),
    ...defined('Timeout', num('Timeout')),
    ...defined('StartPeriod', num('StartPeriod')),
    ...defined('StartInterval', num('StartInterval')),
    ...defined('Retries', num('Retries')),
  };
}

function defined<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  // The computed key makes the literal's type too wide for the compiler to follow.
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: V };
}

function parseObject(data: Uint8Array, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(data).toString('utf8'));
  } catch (e) {
    throw new SwarmtsError('corrupt', `${what} is not valid JSON`, { cause: e });
  }
  if (!isRecord(value)) throw corrupt(`${what} is not a JSON object`);
  return value;
}

function arrayOf(value: unknown, what: string, limit: number): unknown[] {
  if (!Array.isArray(value)) throw corrupt(`manifest: ${what} is missing`);
  if (value.length > limit)
    throw corrupt(`manifest: ${what} has ${value.length} entries, at most ${limit} are allowed`);
  return value;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function stringList(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) ? value.filter((v): v is string => typeof v === 'string') : undefined;
}

export function stringMap(value: unknown): Readonly<Record<string, string>> {
  if (!isRecord(value)) return {};
  return Object.fromEntries(Object.entries(value).filter((e): e is [string, string] => typeof e[1] === 'string'));
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function corrupt(message: string): SwarmtsError {
  return new SwarmtsError('corrupt', message);
}
