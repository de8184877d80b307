/**
 * What an image archive says it contains: `docker save` archives (manifest.json) and OCI layouts (index.json). Pure: it
 * works on the list of entries and a function that reads one of them.
 */
import { SwarmtsError } from '@swarmts/lib';
import { parseReference } from '@swarmts/proto';
import {
  choosePlatform,
  type Descriptor,
  isRecord,
  MAX_CONFIG_BYTES,
  mediaTypes,
  type ParsedConfig,
  type Platform,
  parseImageConfig,
  parseManifest,
  sha256Digest,
} from './manifest.js';

export type ArchiveEntry =
  | { readonly name: string; readonly file: string; readonly size: number; readonly digest: string }
  | { readonly name: string; readonly link: string; readonly symbolic: boolean };

export type ArchiveFile = Extract<ArchiveEntry, { file: string }>;

export interface ArchiveImage {
  readonly configData: Buffer;
  readonly config: ParsedConfig;
  readonly manifestData: Buffer;
  readonly layers: readonly { readonly mediaType: string; readonly file: ArchiveFile }[];
  /** As written in the archive, e.g. "busybox:latest". */
  readonly references: readonly string[];
}

export type ReadEntry = (file: ArchiveFile) => Promise<Buffer>;

/** Of manifest.json and index.json: what an archive with as many entries as we take may need. */
const MAX_LIST_BYTES = 16 << 20;
const LISTS: ReadonlySet<string> = new Set(['manifest.json', 'index.json']);
const MAX_LINK_HOPS = 10;
const MAX_INDEX_DEPTH = 3;
/** Names that writers of OCI layouts give an image. */
const NAME_ANNOTATIONS = ['io.containerd.image.name', 'org.opencontainers.image.ref.name'];

export async function readArchive(
  entries: readonly ArchiveEntry[],
  read: ReadEntry,
  platform: Platform,
): Promise<ArchiveImage[]> {
  const files = new Map(entries.map((e) => [e.name, e]));
  const readSmall: ReadEntry = async (file) => {
    const limit = LISTS.has(file.name) ? MAX_LIST_BYTES : MAX_CONFIG_BYTES;
    if (file.size > limit) throw corrupt(`${file.name} has ${file.size} bytes: at most ${limit} are allowed`);
    return read(file);
  };
  if (files.has('manifest.json')) return readDockerArchive(files, readSmall);
  if (files.has('index.json')) return readOciLayout(files, readSmall, platform);
  throw new SwarmtsError('invalid-argument', 'invalid archive: neither manifest.json nor index.json is in it');
}

async function readDockerArchive(files: ReadonlyMap<string, ArchiveEntry>, read: ReadEntry): Promise<ArchiveImage[]> {
  const list = parseJson(await read(lookup(files, 'manifest.json')), 'manifest.json');
  if (!Array.isArray(list)) throw corrupt('manifest.json is not a list');
  const images: ArchiveImage[] = [];
  for (const item of list) {
    if (!isRecord(item) || typeof item.Config !== 'string') throw corrupt('manifest.json names no config');
    const configData = await read(lookup(files, item.Config));
    const layers = texts(item.Layers).map((name) => ({ mediaType: mediaTypes.ociLayer, file: lookup(files, name) }));
    const config = parseImageConfig(configData, layers.length);
    images.push({
      configData,
      config,
      layers,
      manifestData: manifestFor(configData, layers),
      references: texts(item.RepoTags),
    });
  }
  return images;
}

async function readOciLayout(
  files: ReadonlyMap<string, ArchiveEntry>,
  read: ReadEntry,
  platform: Platform,
): Promise<ArchiveImage[]> {
  const index = parseManifest(await read(lookup(files, 'index.json')), mediaTypes.ociIndex);
  if (index.kind !== 'index') throw corrupt('index.json is not an index');
  const images: ArchiveImage[] = [];
  for (const descriptor of index.manifests) {
    const manifestData = await readManifest(files, read, descriptor, platform);
    const manifest = parseManifest(manifestData);
    if (manifest.kind !== 'manifest') throw corrupt(`${descriptor.digest} is not an image manifest`);
    const configData = await read(blobFile(files, manifest.config.digest));
    images.push({
      configData,
      config: parseImageConfig(configData, manifest.layers.length),
      manifestData,
      layers: manifest.layers.map((l) => ({ mediaType: l.mediaType, file: blobFile(files, l.digest) })),
      references: nameOf(descriptor),
    });
  }
  return images;
}

async function readManifest(
  files: ReadonlyMap<string, ArchiveEntry>,
  read: ReadEntry,
  descriptor: Descriptor,
  platform: Platform,
): Promise<Buffer> {
  let current = descriptor;
  for (let depth = 0; depth < MAX_INDEX_DEPTH; depth++) {
    const data = await read(blobFile(files, current.digest));
    const parsed = parseManifest(data, current.mediaType);
    if (parsed.kind === 'manifest') return data;
    current = choosePlatform(parsed, platform);
  }
  throw corrupt(`indexes are nested more than ${MAX_INDEX_DEPTH} deep`);
}

/** The annotation, when it is a usable name; a bare tag such as "latest" names no repository. */
function nameOf(descriptor: Descriptor): string[] {
  for (const key of NAME_ANNOTATIONS) {
    const value = descriptor.annotations[key];
    if (!value || !/[/:]/.test(value)) continue;
    try {
      parseReference(value);
      return [value];
    } catch {
      // Some writers put free text there: the image is loaded without a name.
    }
  }
  return [];
}

function blobFile(files: ReadonlyMap<string, ArchiveEntry>, digest: string): ArchiveFile {
  const file = lookup(files, `blobs/${digest.replace(':', '/')}`);
  if (file.digest !== digest) throw corrupt(`blob ${digest} has the content of ${file.digest}`);
  return file;
}

/** Follows the links that older `docker save` puts between equal layers. */
function lookup(files: ReadonlyMap<string, ArchiveEntry>, name: string): ArchiveFile {
  let current = name.replace(/^(\.?\/)+/, '');
  for (let hop = 0; hop < MAX_LINK_HOPS; hop++) {
    const entry = files.get(current);
    if (!entry) throw corrupt(`${name} is missing`);
    if ('file' in entry) return entry;
    const base = entry.symbolic ? current.split('/').slice(0, -1) : [];
    current = joined([...base, ...entry.link.split('/')]);
  }
  throw corrupt(`${name}: too many links`);
}

function joined(parts: readonly string[]): string {
  const out: string[] = [];
  for (const p of parts) {
    if (p === '..') out.pop();
    else if (p !== '' && p !== '.') out.push(p);
  }
  return out.join('/');
}

/** A manifest for an image that came without one. */
function manifestFor(configData: Buffer, layers: readonly { mediaType: string; file: ArchiveFile }[]): Buffer {
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: { mediaType: mediaTypes.ociConfig, digest: sha256Digest(configData), size: configData.length },
      layers: layers.map((l) => ({ mediaType: l.mediaType, digest: l.file.digest, size: l.file.size })),
    }),
  );
}

function parseJson(data: Buffer, what: string): unknown {
  try {
    return JSON.parse(data.toString('utf8'));
  } catch (e) {
    throw new SwarmtsError('corrupt', `invalid archive: ${what} is not valid JSON`, { cause: e });
  }
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((v): v is string => typeof v === 'string') : [];
}

function corrupt(message: string): SwarmtsError {
  return new SwarmtsError('corrupt', `invalid archive: ${message}`);
}
