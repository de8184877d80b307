import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Duplex, Readable } from 'node:stream';
import type { Context } from '../context.js';
import { joinStreams } from './streams.js';

describe('streams of a process', () => {
  it('read no more input than the process takes', async () => {
    let given = 0;
    const input = Readable.from(
      (function* () {
        for (; given < 1000; given++) yield Buffer.alloc(16 * 1024);
      })(),
    );
    let takeOne: () => void = () => undefined;
    let taken = 0;
    const connection = new Duplex({
      read: () => undefined,
      write: (_chunk, _encoding, done) => {
        taken++;
        takeOne = done;
      },
    });
    const out = {
      pipe: async (source: AsyncIterable<Uint8Array>) => {
        for await (const _ of source);
      },
    };
    // Of all that a command may touch it needs these two.
    const ctx = { stdin: () => input, out } as unknown as Context;
    const end = joinStreams(ctx, connection, { stdin: true, tty: true });
    await once(input, 'pause');
    assert.ok(given < 50, `${given} pieces were read of which the process took ${taken}`);
    const before = given;
    for (let i = 0; i < 20; i++) {
      takeOne();
      await new Promise(setImmediate);
    }
    assert.ok(given > before, 'it goes on once the process takes more');
    connection.push(null);
    await end;
  });
});
