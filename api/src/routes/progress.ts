/** Streams of JSON records, one per line: what pull, push, load, import and build answer with. */
import { messageOf } from '@swarmts/lib';
import type { Call, Reply } from '../http/exchange.js';
import type { ProgressRecord } from '../image-backend.js';

/** The first record decides: an error before it is an ordinary error reply, one after it is the last record. */
export async function progressReply(call: Call, records: AsyncIterable<ProgressRecord>): Promise<Reply> {
  const iterator = records[Symbol.asyncIterator]();
  return streamOf(call, iterator, await iterator.next());
}

/** Every error is a record, also the first. The head comes with that: there are clients that take it for the end. */
export function progressStream(call: Call, records: AsyncIterable<ProgressRecord>): Promise<Reply> {
  return progressReply(call, withFailure(call, records));
}

async function* withFailure(call: Call, records: AsyncIterable<ProgressRecord>): AsyncGenerator<ProgressRecord> {
  try {
    yield* records;
  } catch (e) {
    if (call.signal.aborted) throw e;
    yield failureRecord(e);
  }
}

function streamOf(call: Call, iterator: AsyncIterator<ProgressRecord>, first: IteratorResult<ProgressRecord>): Reply {
  return {
    kind: 'stream',
    contentType: 'application/json',
    run: async (write) => {
      try {
        for (let r = first; r.done !== true; r = await iterator.next()) await write(`${JSON.stringify(r.value)}\r\n`);
      } catch (e) {
        if (call.signal.aborted) throw e;
        await write(`${JSON.stringify(failureRecord(e))}\r\n`);
      } finally {
        await iterator.return?.();
      }
    },
  };
}

/** A failed command of a build says how it ended. */
function failureRecord(e: unknown): ProgressRecord {
  const message = messageOf(e);
  const code = e instanceof Error && 'exitCode' in e && typeof e.exitCode === 'number' ? e.exitCode : undefined;
  return { errorDetail: { ...(code === undefined ? {} : { code }), message }, error: message };
}
