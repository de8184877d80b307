import assert from 'node:assert/strict';
import { runCli } from '../../testing/fake-api.js';

const refuse = (message: string) => () => ({ status: 400, json: { message } });
const hint = /could not find the system's IP address - specify one with --advertise-addr\n$/;

describe('swarm init and swarm join', () => {
  it('say which flag names an address where the machine has none by itself', async () => {
    const answer = refuse("could not find the system's IP address");
    assert.match((await runCli(['swarm', 'init'], { 'POST /swarm/init': answer })).err, hint);
    const join = ['swarm', 'join', '--token', 't', '10.0.0.1:2377'];
    assert.match((await runCli(join, { 'POST /swarm/join': answer })).err, hint);
  });

  it('say nothing of it where something else is wrong', async () => {
    const r = await runCli(['swarm', 'init'], { 'POST /swarm/init': refuse('no room') });
    assert.equal(r.err, 'Error response from daemon: no room\n');
  });
});
