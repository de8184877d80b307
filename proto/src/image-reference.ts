/**
 * Image references as Docker's users write them. A parsed reference is always normalised ("busybox" is
 * docker.io/library/busybox:latest); the familiar form drops what the user may leave out.
 */
import { SwarmtsError } from '@swarmts/lib';

export interface ImageReference {
  /** Registry host, maybe with port, e.g. "docker.io". */
  readonly domain: string;
  /** Repository path without the domain, e.g. "library/busybox". */
  readonly path: string;
  readonly tag?: string;
  /** "sha256:<hex>" */
  readonly digest?: string;
}

const DEFAULT_DOMAIN = 'docker.io';
const LEGACY_DOMAIN = 'index.docker.io';
const OFFICIAL_PREFIX = 'library/';
const DEFAULT_TAG = 'latest';
const MAX_NAME_LENGTH = 255;

const HOST_LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const DOMAIN = new RegExp(`^(?:${HOST_LABEL}(?:\\.${HOST_LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
const PATH_PART = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const PATH = new RegExp(`^${PATH_PART}(?:/${PATH_PART})*$`);
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/;
const SHA256_DIGEST = /^sha256:[0-9a-f]{64}$/;
const BARE_ID = /^[0-9a-f]{64}$/;

/** Parses and normalises; without tag and digest the tag is "latest". Throws 'invalid-argument' in Docker's words. */
export function parseReference(text: string): ImageReference {
  if (BARE_ID.test(text)) {
    throw bad(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  }
  const [withoutDigest, digest] = splitDigest(text);
  const [domain, rest] = splitDomain(withoutDigest);
  const colon = rest.lastIndexOf(':');
  const path = colon >= 0 ? rest.slice(0, colon) : rest;
  const tag = colon >= 0 ? rest.slice(colon + 1) : undefined;
  if (path.toLowerCase() !== path && PATH.test(path.toLowerCase())) {
    throw bad(`invalid reference format: repository name (${path}) must be lowercase`);
  }
  if (!DOMAIN.test(domain) || !PATH.test(path) || (tag !== undefined && !TAG.test(tag))) throw badFormat();
  if (domain.length + 1 + path.length > MAX_NAME_LENGTH) {
    throw bad(`invalid reference format: repository name must not be more than ${MAX_NAME_LENGTH} characters`);
  }
  if (digest !== undefined) return { domain, path, digest, ...(tag === undefined ? {} : { tag }) };
  return { domain, path, tag: tag ?? DEFAULT_TAG };
}

/** "docker.io/library/busybox" */
export function repositoryOf(ref: ImageReference): string {
  return `${ref.domain}/${ref.path}`;
}

/** The repository as users write it: "busybox", "user/app", "host:5000/app". */
export function familiarName(ref: ImageReference): string {
  if (ref.domain !== DEFAULT_DOMAIN) return repositoryOf(ref);
  const bare = ref.path.startsWith(OFFICIAL_PREFIX) ? ref.path.slice(OFFICIAL_PREFIX.length) : ref.path;
  return bare.includes('/') && ref.path.startsWith(OFFICIAL_PREFIX) ? ref.path : bare;
}

/** The whole reference as users write it. */
export function familiarString(ref: ImageReference): string {
  const tag = ref.tag === undefined ? '' : `:${ref.tag}`;
  return `${familiarName(ref)}${tag}${ref.digest === undefined ? '' : `@${ref.digest}`}`;
}

/** The key of a tag in the store: "docker.io/library/busybox:latest". */
export function tagKey(ref: ImageReference): string {
  return `${repositoryOf(ref)}:${ref.tag ?? DEFAULT_TAG}`;
}

/** The key of a digest in the store: "docker.io/library/busybox@sha256:...". */
export function digestKey(ref: ImageReference, digest: string): string {
  return `${repositoryOf(ref)}@${digest}`;
}

/** Neither tag nor digest was written. */
export function isNameOnly(text: string): boolean {
  return !text.includes('@') && text.lastIndexOf(':') <= text.lastIndexOf('/');
}

export function isSha256Digest(text: string): boolean {
  return SHA256_DIGEST.test(text);
}

function splitDigest(text: string): [string, string | undefined] {
  const at = text.indexOf('@');
  if (at < 0) return [text, undefined];
  const digest = text.slice(at + 1);
  if (!DIGEST.test(digest)) throw badFormat();
  if (!SHA256_DIGEST.test(digest)) throw bad(`unsupported digest '${digest}': only sha256 is supported`);
  return [text.slice(0, at), digest];
}

function splitDomain(name: string): [string, string] {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isDomain = /[.:]/.test(first) || first === 'localhost' || first.toLowerCase() !== first;
  const domain = slash < 0 || !isDomain ? DEFAULT_DOMAIN : first === LEGACY_DOMAIN ? DEFAULT_DOMAIN : first;
  const path = slash < 0 || !isDomain ? name : name.slice(slash + 1);
  return [domain, domain === DEFAULT_DOMAIN && !path.includes('/') ? OFFICIAL_PREFIX + path : path];
}

function bad(message: string): SwarmtsError {
  return new SwarmtsError('invalid-argument', message);
}

function badFormat(): SwarmtsError {
  return bad('invalid reference format');
}
