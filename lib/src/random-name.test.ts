import assert from 'node:assert/strict';
import { seededRandom } from './random.js';
import { randomName, unusedName } from './random-name.js';

describe('a random name', () => {
  it('is an adjective and a noun that containers and services may be called', () => {
    const random = seededRandom(7);
    const names = Array.from({ length: 500 }, () => randomName(random));
    for (const n of names) assert.match(n, /^[a-z]{2,}_[a-z]{2,}$/);
    assert.ok(new Set(names).size > 400);
    assert.match(
      randomName(() => 0.999_999_9),
      /^zesty_yarrow$/,
    );
  });

  it('is one that nobody has, also when all are taken', () => {
    const random = seededRandom(7);
    const first = randomName(seededRandom(7));
    assert.notEqual(
      unusedName(random, (n) => n === first),
      first,
    );
    assert.match(
      unusedName(random, (n) => !/\d$/.test(n)),
      /^[a-z]+_[a-z]+2$/,
    );
  });
});
