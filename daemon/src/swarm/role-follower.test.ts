import assert from 'node:assert/strict';
import { SimulatedClock, silentLogger } from '@swarmts/lib';
import { RoleFollower } from './role-follower.js';

describe('following a role', () => {
  const clock = new SimulatedClock();
  const settle = async () => {
    for (let i = 0; i < 5; i++) await clock.advance(1_000);
  };

  function follower(steps: readonly (() => Promise<void> | void)[], isOver = () => false) {
    let done = 0;
    const follow = async () => {
      const step = steps[done++];
      await step?.();
    };
    return { role: new RoleFollower({ follow, isOver, clock, log: silentLogger }), done: () => done };
  }

  it('goes on after a failure, until it is done', async () => {
    const fail = () => Promise.reject(new Error('not yet'));
    const { role, done } = follower([fail, fail, () => undefined]);
    role.mark();
    await settle();
    assert.equal(done(), 3);
  });

  it('is one attempt at a time, and one more for whatever comes meanwhile', async () => {
    let go = () => {};
    const { role, done } = follower([() => new Promise<void>((resolve) => (go = resolve))]);
    role.mark();
    role.mark();
    role.mark();
    await settle();
    assert.equal(done(), 1);
    go();
    await settle();
    assert.equal(done(), 2);
    role.mark();
    await settle();
    assert.equal(done(), 3);
  });

  it('ends with the membership', async () => {
    const { role, done } = follower([() => Promise.reject(new Error('gone'))], () => true);
    role.mark();
    await settle();
    assert.equal(done(), 1);
  });
});
