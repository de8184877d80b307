// The thread behind `SyncThread`: takes one request after the other out of shared memory and serves it with blocking
// calls. Between requests it sleeps on the state word.
import { fdatasyncSync, writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { IDLE, MAX_FAILURE_BYTES, REQUESTED, type SharedMemory, type SyncFailure, WORD } from './sync-memory.js';

const { words, bytes }: SharedMemory = workerData;

for (;;) {
  Atomics.wait(words, WORD.state, IDLE);
  if (Atomics.load(words, WORD.state) !== REQUESTED) continue;
  // Read now: as soon as the state says so, the owner may put in the next request.
  const request = Atomics.load(words, WORD.request);
  const failureBytes = serve();
  Atomics.store(words, WORD.failureBytes, failureBytes);
  Atomics.store(words, WORD.state, IDLE);
  Atomics.notify(words, WORD.state);
  // Whoever did not wait is told by a message; it may come although it was not needed any more.
  if (Atomics.load(words, WORD.wantsMessage) === 1) parentPort?.postMessage(request);
}

/** Writes and syncs what was asked for; puts a failure where the bytes were, and returns its length. */
function serve(): number {
  const length = words[WORD.length] ?? 0;
  const fd = words[WORD.fd] ?? -1;
  const position = (words[WORD.positionHigh] ?? 0) * 2 ** 31 + (words[WORD.positionLow] ?? 0);
  let step: SyncFailure['step'] = 'write';
  try {
    for (let done = 0; done < length; ) done += writeSync(fd, bytes, done, length - done, position + done);
    step = 'sync';
    if (words[WORD.sync] === 1) fdatasyncSync(fd);
    return 0;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    const message = error instanceof Error ? error.message : String(error);
    const failure: SyncFailure = { step, code, message: message.slice(0, MAX_FAILURE_BYTES / 8) };
    return new TextEncoder().encodeInto(JSON.stringify(failure), bytes).written;
  }
}
