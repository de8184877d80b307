/** Which platform of an image is meant: the node keeps one of each image, so that it is that one or none. */
import { isSwarmtsError, SwarmtsError } from '@swarmts/lib';
import type { ImageSummary } from '../backend.js';
import type { Call } from '../http/exchange.js';
import type { ImagePlatform } from '../image-backend.js';
import { JsonObject } from '../json/object.js';
import type { RouteContext } from './context.js';

/**
 * `platform`, or each of `platforms`: JSON as of the OCI image index. Throws 'not-found' where the image is of another one; it is looked up
 * only where a platform is named.
 */
export async function requirePlatform(
  { backend }: RouteContext,
  { apiVersion: [, minor], query }: Call,
  since: number,
  name: string,
): Promise<void> {
  const platforms = minor < since ? [] : platformsOf(query);
  if (platforms.length === 0) return;
  const image = await backend.images.find(name);
  const other = platforms.find((p) => !isOf(image, p));
  if (!other) return;
  const platform = [other.os, other.architecture, other.variant].filter((part) => part !== '').join('/');
  const what = `image with reference ${name} was found but does not provide the specified platform (${platform})`;
  throw new SwarmtsError('not-found', what);
}

/** As Docker, clients may name several, each in a parameter of its own or all in one list. */
export function platformsOf(query: URLSearchParams): readonly ImagePlatform[] {
  return [...query.getAll('platform'), ...query.getAll('platforms')].filter((text) => text !== '').flatMap(parse);
}

function parse(text: string): readonly ImagePlatform[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw wrong(text);
  }
  return (Array.isArray(value) ? value : [value]).map((one: unknown) => readPlatform(one, text));
}

function readPlatform(value: unknown, text: string): ImagePlatform {
  try {
    const o = JsonObject.of(value, 'a platform');
    const platform = { os: o.string('os'), architecture: o.string('architecture'), variant: o.string('variant') };
    if (platform.os !== '' && platform.architecture !== '') return platform;
  } catch (e) {
    if (!isSwarmtsError(e, 'invalid-argument')) throw e;
  }
  throw wrong(text);
}

function wrong(text: string): SwarmtsError {
  const example = '{"os":"linux","architecture":"arm64"}';
  return new SwarmtsError('invalid-argument', `invalid platform ${JSON.stringify(text)}: give JSON such as ${example}`);
}

function isOf(image: ImageSummary, p: ImagePlatform): boolean {
  const isVariant = p.variant === '' || (image.variant ?? '') === '' || image.variant === p.variant;
  return image.os === p.os && image.architecture === p.architecture && isVariant;
}
