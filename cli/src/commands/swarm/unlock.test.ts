import assert from 'node:assert/strict';
import { runCli } from '../../testing/fake-api.js';

const info = (state: string) => ({ 'GET /info': () => ({ json: { Swarm: { LocalNodeState: state } } }) });

describe('swarm unlock', () => {
  it('sends the key that is piped in', async () => {
    const routes = { ...info('locked'), 'POST /swarm/unlock': () => ({}) };
    const r = await runCli(['swarm', 'unlock'], routes, { stdin: 'SWMKEY-1-abc\r\nmore\n' });
    assert.equal(r.code, 0, r.err);
    assert.deepEqual(r.requests.at(-1)?.body, { UnlockKey: 'SWMKEY-1-abc' });
    assert.equal(r.out + r.err, '', 'the key is not repeated');
  });

  it('does not ask where nothing is locked', async () => {
    assert.match((await runCli(['swarm', 'unlock'], info('active'))).err, /swarm is not locked/);
    assert.match((await runCli(['swarm', 'unlock'], info('inactive'))).err, /not part of a swarm/);
  });

  it('refuses an input without end', async () => {
    const r = await runCli(['swarm', 'unlock'], info('locked'), { stdin: 'x'.repeat(10_000) });
    assert.match(r.err, /too long/);
  });
});
