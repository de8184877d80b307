import assert from 'node:assert/strict';
import fc from 'fast-check';
import { LineDecoder, MAX_LINE_BYTES } from './line-decoder.js';

describe('lines between the daemon and a process of its own', () => {
  it('are the same, wherever the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' })), fc.array(fc.nat(200)), (texts, cuts) => {
        const lines = texts.map((t) => t.replaceAll('\n', ' '));
        const stream = Buffer.from(lines.map((l) => `${l}\n`).join(''));
        const decoder = new LineDecoder();
        const found: string[] = [];
        let at = 0;
        for (const length of cuts) {
          found.push(...decoder.push(stream.subarray(at, at + length)));
          at += length;
        }
        found.push(...decoder.push(stream.subarray(at)));
        assert.deepEqual(found, lines);
      }),
    );
  });

  it('that do not end are an error', () => {
    const decoder = new LineDecoder();
    decoder.push(Buffer.alloc(MAX_LINE_BYTES, 'x'));
    assert.throws(() => decoder.push(Buffer.from('x')), RangeError);
  });
});
