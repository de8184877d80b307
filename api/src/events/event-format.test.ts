import assert from 'node:assert/strict';
import { eventFormat } from './event-format.js';

describe('the format of a stream of events', () => {
  const typeOf = (accept: string, minor = 55) => eventFormat(accept, [1, minor]).contentType;

  it('is what the client likes best of what there is', () => {
    assert.equal(typeOf('application/x-ndjson'), 'application/x-ndjson');
    assert.equal(typeOf('application/jsonl;q=0.1, Application/JSON-seq; q=0.2'), 'application/json-seq');
    assert.equal(typeOf('application/json-seq, application/x-ndjson'), 'application/x-ndjson');
    assert.equal(typeOf('application/json-seq', 40), 'application/json-seq', 'by old clients, too');
  });

  it('is that of the version where the client names none', () => {
    for (const accept of ['', '*/*', 'application/*', 'application/json', 'application/json-seq;q=0', ';;,q=1'])
      assert.deepEqual([typeOf(accept, 51), typeOf(accept, 52)], ['application/json', 'application/jsonl'], accept);
  });

  it('has a separator before each event of a sequence alone', () => {
    assert.equal(eventFormat('application/json-seq', [1, 55]).separator, '\u001e');
    assert.equal(eventFormat('', [1, 55]).separator, '');
  });
});
