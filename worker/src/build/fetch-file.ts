/** ADD of an address: downloads one file. Its name is the last part of the path, its time the server's. Runs in the building child. */
import { createWriteStream } from 'node:fs';
import { mkdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageOf, SwarmtsError } from '@swarmts/lib';
import { DiskBudget } from '../snapshots/disk-budget.js';
import type { FetchedFile } from './build-request.js';

export async function fetchFile(address: string, directory: string): Promise<FetchedFile> {
  const name = decodeURIComponent(new URL(address).pathname.split('/').at(-1) ?? '');
  if (name === '' || name === '.' || name === '..' || name.includes('/')) {
    throw new SwarmtsError('invalid-argument', `cannot determine filename from url: ${address}`);
  }
  let response: Response;
  try {
    response = await fetch(address);
  } catch (e) {
    const cause = e instanceof Error && e.cause !== undefined ? e.cause : e;
    throw new SwarmtsError('unavailable', `failed to GET ${address}: ${messageOf(cause)}`, { cause: e });
  }
  if (!response.ok || response.body === null) {
    throw new SwarmtsError(
      'unavailable',
      `failed to GET ${address} with status ${response.status} ${response.statusText}`,
    );
  }
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, name);
  const budget = new DiskBudget(directory);
  const counted = async function* (chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of chunks) {
      budget.written(chunk.length);
      yield chunk;
    }
  };
  // The types of the platform's streams and of Node's do not know each other.
  await pipeline(
    Readable.fromWeb(response.body as never),
    counted,
    createWriteStream(path, { flags: 'wx', mode: 0o600 }),
  );
  const modified = Date.parse(response.headers.get('last-modified') ?? '');
  const time = Number.isNaN(modified) ? 0 : modified / 1000;
  await utimes(path, time, time);
  return { name };
}
