import assert from 'node:assert/strict';
import { type ErrorCode, isSwarmtsError, SimulatedClock, SwarmtsError } from '@swarmts/lib';
import { type Manager, NO_LEADER } from '@swarmts/manager';
import { callLeader, leaderError } from './leader-calls.js';

type Caller = Pick<Manager, 'call'>;

/** A manager whose calls end one after the other as in `outcomes`, the last one forever. */
function manager(...outcomes: readonly (SwarmtsError | 'answer')[]): { readonly caller: Caller; calls: number } {
  const m = {
    calls: 0,
    caller: {
      call: async () => {
        const outcome = outcomes[Math.min(m.calls, outcomes.length - 1)];
        m.calls += 1;
        if (outcome instanceof SwarmtsError) throw outcome;
        return [];
      },
      // The answer is of no particular operation.
    } as unknown as Caller,
  };
  return m;
}

const cutOff = new SwarmtsError('aborted', 'the read was aborted');
const isNoLeader = (e: unknown) => isSwarmtsError(e, 'no-leader') && e.message === NO_LEADER;

describe('operations on the leader', () => {
  const clock = new SimulatedClock();

  it('that read are asked again when they were cut off', async () => {
    const m = manager(cutOff, new SwarmtsError('aborted', 'Cancelled on client'), 'answer');
    const answer = callLeader(m.caller, 'listNodes', {}, { clock, manager: () => m.caller });
    await clock.advance(200);
    assert.deepEqual(await answer, []);
    assert.equal(m.calls, 3);
  });

  it('that read go to the manager that the node has become meanwhile', async () => {
    const [before, after] = [manager(cutOff), manager('answer')];
    const answer = callLeader(before.caller, 'listNodes', {}, { clock, manager: () => after.caller });
    await clock.advance(200);
    await answer;
    assert.deepEqual([before.calls, after.calls], [1, 1]);
  });

  it('find no leader when they are cut off for long, or the node is no manager any more', async () => {
    const m = manager(cutOff);
    const long = assert.rejects(callLeader(m.caller, 'listNodes', {}, { clock, manager: () => m.caller }), isNoLeader);
    await clock.advance(5_000);
    await long;
    await assert.rejects(callLeader(m.caller, 'listNodes', {}, { clock, manager: () => undefined }), isNoLeader);
  });

  it('that change something are not repeated', async () => {
    const m = manager(cutOff, 'answer');
    const options = { clock, manager: () => m.caller };
    await assert.rejects(callLeader(m.caller, 'removeService', { ref: 'web' }, options), isNoLeader);
    assert.equal(m.calls, 1);
  });

  it('fail as they did where they were not cut off', async () => {
    for (const code of ['not-found', 'unavailable', 'timeout'] as const satisfies readonly ErrorCode[]) {
      const m = manager(new SwarmtsError(code, 'as it was'));
      const options = { clock, manager: () => m.caller };
      await assert.rejects(callLeader(m.caller, 'listNodes', {}, options), (e) => isSwarmtsError(e, code));
      assert.equal(m.calls, 1);
    }
    assert.equal(leaderError(new Error('a bug')).code, 'internal');
  });
});
