import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { FramedDuplex, joinDuplexes, type StreamFrame } from './framed-duplex.js';

/** Two ends; frames arrive a moment later, and are counted. */
function pair() {
  let inFlight = 0;
  let most = 0;
  const deliver = (to: () => FramedDuplex) => (f: StreamFrame) => {
    inFlight += f.data.length;
    most = Math.max(most, inFlight);
    setImmediate(() => {
      inFlight -= f.data.length;
      to().receive(f);
    });
  };
  const a: FramedDuplex = new FramedDuplex(deliver(() => b));
  const b: FramedDuplex = new FramedDuplex(deliver(() => a));
  return { a, b, most: () => most };
}

async function readAll(s: FramedDuplex): Promise<Buffer> {
  const chunks: Buffer[] = [];
  s.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(s, 'end');
  return Buffer.concat(chunks);
}

describe('a stream in frames', () => {
  it('carries bytes both ways, each half ending by itself', async () => {
    const { a, b } = pair();
    const [there, back] = [randomBytes(300_000), randomBytes(5)];
    a.end(there);
    assert.deepEqual(await readAll(b), there);
    b.end(back);
    assert.deepEqual(await readAll(a), back);
  });

  it('stops the writer when nobody reads, and goes on when somebody does', async () => {
    const { a, b } = pair();
    const data = randomBytes(5 * 1024 * 1024);
    let written = false;
    a.write(data.subarray(0, 2 * 1024 * 1024), () => {
      written = true;
    });
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(written, false);
    a.end(data.subarray(2 * 1024 * 1024));
    assert.deepEqual(await readAll(b), data);
    assert.equal(written, true);
  });

  it('loses nothing when the far side is closed right behind its last byte', async () => {
    const { a, b } = pair();
    const data = randomBytes(900_000);
    a.end(data, () => a.destroy());
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(await readAll(b), data);
  });

  it('ends on both sides when one breaks', async () => {
    const { a, b } = pair();
    a.on('error', () => undefined);
    const broken = once(b, 'error');
    a.destroy(new Error('the cable was cut'));
    const [error] = await broken;
    assert.match(String(error), /the cable was cut/);
  });

  it('may break before anybody listens', async () => {
    const lonely = new FramedDuplex(() => undefined);
    lonely.destroy(new Error('the node is away'));
    await new Promise<void>((resolve) => lonely.once('close', resolve));
    assert.equal(lonely.errored?.message, 'the node is away');
  });

  it('can be joined to others', async () => {
    const [first, second] = [pair(), pair()];
    joinDuplexes(first.b, second.a);
    first.a.end('hello');
    assert.equal((await readAll(second.b)).toString(), 'hello');
    second.b.end('goodbye');
    assert.equal((await readAll(first.a)).toString(), 'goodbye');
  });
});
