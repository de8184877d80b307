// The thread behind `SyncThread`: writes and syncs, one request after the other, with blocking calls.
import { fdatasyncSync, writeSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import type { SyncAnswer, SyncRequest } from './sync-thread.js';

parentPort?.on('message', (request: SyncRequest) => parentPort?.postMessage(serve(request)));

function serve({ id, fd, position, bytes, sync }: SyncRequest): SyncAnswer {
  let step: 'write' | 'sync' = 'write';
  try {
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(fd, bytes, done, bytes.length - done, position + done);
    }
    step = 'sync';
    if (sync) fdatasyncSync(fd);
    return { id, failure: undefined };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    return { id, failure: { step, code, message: error instanceof Error ? error.message : String(error) } };
  }
}
