import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import fc from 'fast-check';
import { encodeFrame, FrameDecoder, MAX_FRAME_BYTES } from './frame.js';

describe('frames', () => {
  it('come out as they went in, however the stream is cut', () => {
    const frame = fc.record({ header: fc.jsonValue(), tail: fc.uint8Array({ maxLength: 50 }) });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), fc.integer({ min: 1, max: 30 }), (frames, size) => {
        const bytes = Buffer.concat(frames.flatMap((f) => encodeFrame(f.header, f.tail)));
        const decoder = new FrameDecoder();
        const out = [];
        for (let at = 0; at < bytes.length; at += size) out.push(...decoder.push(bytes.subarray(at, at + size)));
        assert.deepEqual(
          out.map((f) => [JSON.stringify(f.header), [...f.tail]]),
          frames.map((f) => [JSON.stringify(f.header), [...f.tail]]),
        );
      }),
    );
  });

  it('have a limit in both directions', () => {
    assert.throws(
      () => encodeFrame({}, new Uint8Array(MAX_FRAME_BYTES)),
      (e) => isSwarmtsError(e, 'resource-exhausted'),
    );
    const tooLong = Buffer.alloc(8);
    tooLong.writeUInt32BE(MAX_FRAME_BYTES + 1, 0);
    assert.throws(
      () => new FrameDecoder().push(tooLong),
      (e) => isSwarmtsError(e, 'corrupt'),
    );
    const headerTooLong = Buffer.alloc(8);
    headerTooLong.writeUInt32BE(4, 0);
    headerTooLong.writeUInt32BE(1, 4);
    assert.throws(
      () => new FrameDecoder().push(headerTooLong),
      (e) => isSwarmtsError(e, 'corrupt'),
    );
  });
});
