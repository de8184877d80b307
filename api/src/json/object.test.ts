import assert from 'node:assert/strict';
import { SwarmtsError } from '@swarmts/lib';
import { JsonObject } from './object.js';

function refusal(f: () => unknown): string {
  try {
    f();
  } catch (e) {
    assert.ok(e instanceof SwarmtsError);
    assert.equal(e.code, 'invalid-argument');
    return e.message;
  }
  throw new assert.AssertionError({ message: 'nothing was refused' });
}

describe('JsonObject', () => {
  it('takes an absent field and null for the zero value', () => {
    const o = new JsonObject({ b: null });
    assert.equal(o.string('a'), '');
    assert.equal(o.integer('b'), 0);
    assert.deepEqual(o.strings('b'), []);
    assert.equal(o.object('b'), undefined);
    assert.equal(o.has('b'), false);
  });

  it('takes whole numbers of 64 bits, such as half a year in nanoseconds', () => {
    const ns = 4320 * 3600e9;
    assert.equal(new JsonObject({ n: ns }).integer('n'), ns);
    assert.match(
      refusal(() => new JsonObject({ n: 1e20 }).integer('n')),
      /n is out of range: 100000000000000000000/,
    );
  });

  it('finds names without regard to case, the exact one first', () => {
    assert.equal(new JsonObject({ imagE: 'x' }).string('Image'), 'x');
    assert.equal(new JsonObject({ image: 'x', Image: 'y' }).string('Image'), 'y');
  });

  it('is not misled by names of the object prototype', () => {
    assert.equal(new JsonObject({}).has('constructor'), false);
    assert.match(
      refusal(() => new JsonObject({ Mode: 'toString' }).oneOf('Mode', { vip: 1 }, 1)),
      /"toString" is none of vip/,
    );
  });

  it('names the path of a field of the wrong type', () => {
    const o = new JsonObject({ a: { b: [{ c: 1 }] } });
    const inner = o.object('a')?.objects('b')[0];
    assert.equal(
      refusal(() => inner?.string('c')),
      'invalid JSON: a.b[0].c must be a string, not number',
    );
    assert.match(
      refusal(() => new JsonObject({ n: 1.5 }).integer('n')),
      /n must be an integer/,
    );
    assert.match(
      refusal(() => new JsonObject({ n: -1 }).unsigned('n')),
      /n must not be negative: -1/,
    );
    assert.match(
      refusal(() => new JsonObject({ l: {} }).strings('l')),
      /l must be an array, not object/,
    );
    assert.match(
      refusal(() => new JsonObject({ m: { k: 1 } }).map('m')),
      /m\.k must be a string/,
    );
    assert.match(
      refusal(() => new JsonObject({ d: '%%' }).bytes('d')),
      /d is not base64/,
    );
  });
});
