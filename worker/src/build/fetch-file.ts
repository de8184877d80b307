/** ADD of an address: downloads one file. Its name is the last part of the path, its time the server's. Runs in the building child. */
import { createWriteStream } from 'node:fs';
import { mkdir, utimes } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { SwarmtsError } from '@swarmts/lib';
import { answerFrom, HttpClient } from '../images/http-request.js';
import { DiskBudget } from '../snapshots/disk-budget.js';
import type { FetchedFile } from './build-request.js';

export async function fetchFile(address: string, directory: string): Promise<FetchedFile> {
  const name = decodeURIComponent(new URL(address).pathname.split('/').at(-1) ?? '');
  if (name === '' || name === '.' || name === '..' || name.includes('/')) {
    throw new SwarmtsError('invalid-argument', `cannot determine filename from url: ${address}`);
  }
  const client = new HttpClient();
  try {
    const response = await answerOf(client, address);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const path = join(directory, name);
    const budget = new DiskBudget(directory);
    const counted = async function* (chunks: AsyncIterable<Uint8Array>) {
      for await (const chunk of chunks) {
        budget.written(chunk.length);
        yield chunk;
      }
    };
    await pipeline(response, counted, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
    const modified = Date.parse(response.headers['last-modified'] ?? '');
    const time = Number.isNaN(modified) ? 0 : modified / 1000;
    await utimes(path, time, time);
    return { name };
  } finally {
    client.close();
  }
}

async function answerOf(client: HttpClient, address: string): Promise<IncomingMessage> {
  const response = await answerFrom(client, address);
  const { statusCode = 0, statusMessage = '' } = response;
  if (statusCode >= 200 && statusCode < 300) return response;
  response.destroy();
  throw new SwarmtsError('unavailable', `failed to GET ${address} with status ${statusCode} ${statusMessage}`);
}
