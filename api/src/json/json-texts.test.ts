import assert from 'node:assert/strict';
import { JsonTexts } from './json-texts.js';

describe('JsonTexts', () => {
  const fixture = (maxLength?: number) => {
    const written: string[] = [];
    const texts = new JsonTexts<{ readonly id: string }>((o) => {
      written.push(o.id);
      return JSON.stringify(o);
    }, maxLength);
    return { texts, written };
  };

  it('writes an object once, and another version of it anew', () => {
    const { texts, written } = fixture();
    const first = { id: 'a' };
    assert.equal(texts.of(first), '{"id":"a"}');
    assert.equal(texts.of(first), '{"id":"a"}');
    assert.deepEqual(written, ['a']);
    assert.equal(texts.of({ ...first, id: 'b' }), '{"id":"b"}');
    assert.deepEqual(written, ['a', 'b']);
  });

  it('keeps what is asked for, and forgets the rest beyond its limit', () => {
    // Room for two texts in each of the two generations.
    const { texts, written } = fixture(40);
    const [used, unused] = [{ id: 'used' }, { id: 'not' }];
    texts.of(unused);
    for (let i = 0; i < 10; i++) {
      texts.of(used);
      texts.of({ id: `${i}` });
    }
    assert.equal(written.filter((id) => id === 'used').length, 1);
    texts.of(unused);
    assert.equal(written.filter((id) => id === 'not').length, 2);
  });
});
