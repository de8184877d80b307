import assert from 'node:assert/strict';
import { isSwarmtsError, SwarmtsError } from '@swarmts/lib';
import { askInTurn } from './ask-in-turn.js';

describe('managers that are asked in turn', () => {
  const isFinal = (e: unknown) => isSwarmtsError(e, 'failed-precondition');
  const asked: string[] = [];
  const ask = (answers: Readonly<Record<string, string | SwarmtsError>>) => {
    asked.length = 0;
    return askInTurn(
      Object.keys(answers),
      async (addr) => {
        asked.push(addr);
        const answer = answers[addr] ?? '';
        if (typeof answer === 'string') return answer;
        throw answer;
      },
      isFinal,
    );
  };
  const away = new SwarmtsError('unavailable', 'away');

  it('are passed over while they do not answer', async () => {
    assert.equal(await ask({ a: away, b: 'yes', c: 'no' }), 'yes');
    assert.deepEqual(asked, ['a', 'b']);
  });

  it('are not asked any more when one says what all would say', async () => {
    const refusal = new SwarmtsError('failed-precondition', 'the external CA has not signed');
    await assert.rejects(ask({ a: away, b: refusal, c: 'never asked' }), refusal);
    assert.deepEqual(asked, ['a', 'b']);
  });

  it('leave their last word when none answers, and something to go by when there are none', async () => {
    const last = new SwarmtsError('timeout', 'too late');
    await assert.rejects(ask({ a: away, b: last }), last);
    await assert.rejects(ask({}), /no manager is known: name one as HOST:PORT/);
  });
});
