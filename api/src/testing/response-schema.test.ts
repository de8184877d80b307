import assert from 'node:assert/strict';
import { ResponseChecker } from './response-schema.js';

describe('the check of answers', () => {
  const checker = new ResponseChecker();
  const check = (method: string, path: string, status: number, body: unknown) =>
    checker.errorsOf(method, path, status, body).join('\n');

  it('sees wrong types, missing fields and unknown words', () => {
    assert.match(check('GET', '/v1.43/info?x=1', 200, { NCPU: 'two' }), /\/NCPU must be integer/);
    assert.match(check('GET', '/containers/web/json', 200, { State: { Status: 'dreaming' } }), /\/State/);
    assert.match(check('GET', '/images/a/b:1/json', 200, { RootFS: {} }), /must have required property 'Type'/);
    assert.match(check('POST', '/containers/create', 201, {}), /must have required property 'Id'/);
    assert.match(check('GET', '/nodes', 200, {}), /must be array/);
    assert.match(check('GET', '/services/none', 404, {}), /must have required property 'message'/);
  });

  it('takes what an engine writes: null for lists and maps, and fields that nobody described', () => {
    assert.equal(check('GET', '/nodes', 200, null), '');
    assert.equal(check('GET', '/info', 200, { Labels: null, Swarm: null, Extra: 1 }), '');
    assert.equal(check('GET', '/described/by/nobody', 200, 'anything'), '');
  });
});
