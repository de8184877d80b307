/** Waiting for room in a stream that was written to. */
import type { Writable } from 'node:stream';

/** Resolves when the stream takes more, at once where it does, or will take nothing any more. */
export function drained(stream: Writable): Promise<void> {
  if (!stream.writableNeedDrain || stream.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      for (const event of ENDS) stream.off(event, done);
      resolve();
    };
    for (const event of ENDS) stream.on(event, done);
  });
}

const ENDS = ['drain', 'close', 'error'] as const;
