import assert from 'node:assert/strict';
import { nextManager } from './next-manager.js';

describe('the manager that an agent turns to next', () => {
  const managers = ['a', 'b', 'c'];

  it('is each in turn while none takes the agent up', () => {
    let addr = '';
    const asked = [1, 2, 3, 4].map(() => {
      addr = nextManager(managers, { addr, wasEstablished: false }) ?? '';
      return addr;
    });
    assert.deepEqual(asked, ['a', 'b', 'c', 'a']);
  });

  it('is the best known after a session, but not the one that has just been lost', () => {
    assert.equal(nextManager(managers, { addr: 'a', wasEstablished: true }), 'b');
    assert.equal(nextManager(managers, { addr: 'c', wasEstablished: true }), 'a');
  });

  it('is the one that there is', () => {
    assert.equal(nextManager(['a'], { addr: 'a', wasEstablished: true }), 'a');
    assert.equal(nextManager(['a'], { addr: 'a', wasEstablished: false }), 'a');
    assert.equal(nextManager(['a'], { addr: 'gone', wasEstablished: false }), 'a');
    assert.equal(nextManager([], { addr: '', wasEstablished: false }), undefined);
  });
});
