import assert from 'node:assert/strict';
import { commandTree, type Leaf } from '../command-tree.js';
import { type FakeRoutes, runCli } from '../testing/fake-api.js';
import { matchesGolden } from '../testing/golden.js';
import { node, service } from '../testing/objects.js';

const swarmRoutes: FakeRoutes = {
  'POST /swarm/init': () => ({ json: 'node1' }),
  'POST /swarm/join': () => ({}),
  'GET /swarm': () => ({ json: { ID: 'c', Spec: {}, JoinTokens: { Worker: 'SWMTKN-1-w', Manager: 'SWMTKN-1-m' } } }),
  'GET /info': () => ({ json: { Swarm: { NodeID: 'node1' } } }),
  'GET /nodes/node1': () => ({ json: node('node1', 'm1', { ManagerStatus: { Addr: '10.0.0.1:2377' } }) }),
};

describe('the command line', () => {
  it('explains how to reach a daemon that does not answer', async () => {
    const { code, err } = await runCli(['-H', 'unix:///nonexistent/s.sock', 'node', 'ls']);
    assert.equal(code, 1);
    assert.equal(err, 'Cannot connect to the swarmts daemon at unix:///nonexistent/s.sock. Is swarmtsd running?\n');
  });

  it("passes on the daemon's own words", async () => {
    const message = 'This node is not a swarm manager.';
    const { code, err } = await runCli(['node', 'ls'], { 'GET /nodes': () => ({ status: 503, json: { message } }) });
    assert.deepEqual([code, err], [1, `Error response from daemon: ${message}\n`]);
  });

  it('refuses what it does not know, with the exit codes of Docker', async () => {
    for (const [argv, code, err] of [
      [['service', 'ls', '--x'], 125, "unknown flag: --x\nSee 'swarmts service ls --help'.\n"],
      [['nope'], 1, "swarmts: 'nope' is not a swarmts command.\nSee 'swarmts --help'.\n"],
      [['service', 'nope'], 1, "swarmts: 'service nope' is not a swarmts command.\nSee 'swarmts service --help'.\n"],
      [['-H', 'ftp://x', 'ps'], 1, 'unable to parse docker host `ftp://x`\n'],
    ] as const) {
      const r = await runCli(argv);
      assert.deepEqual([r.code, r.err], [code, err]);
    }
    const few = await runCli(['service', 'rm']);
    assert.match(few.err, /^"swarmts service rm" requires at least 1 argument\.\nSee /);
    assert.equal(few.code, 1);
  });

  it('names the kind of a reference that is empty, and asks nothing', async () => {
    for (const [argv, kind] of [
      [['service', 'inspect', ''], 'service'],
      [['service', 'rm', ''], 'service'],
      [['service', 'ps', ''], 'service'],
      [['service', 'explain', ''], 'service'],
      [['node', 'demote', ''], 'node'],
      [['node', 'rm', ''], 'node'],
      [['secret', 'inspect', ''], 'secret'],
      [['config', 'rm', ''], 'config'],
      [['network', 'inspect', ''], 'network'],
      [['network', 'rm', ''], 'network'],
      [['volume', 'rm', ''], 'volume'],
      [['container', 'rm', ''], 'container'],
    ] as const) {
      const { code, err, requests } = await runCli(argv);
      const message = `invalid ${kind} name or ID: value is empty\n`;
      assert.deepEqual([code, err, requests], [1, message, []], argv.join(' '));
    }
  });

  it('prints help that fits the command table', async () => {
    for (const [name, argv] of [
      ['help', ['--help']],
      ['help-service', ['service']],
      ['help-node-update', ['node', 'update', '--help']],
    ] as const) {
      matchesGolden(name, (await runCli(argv)).out);
    }
  });

  it('has a working module behind every entry of the table', async () => {
    const leaves = (of: Readonly<Record<string, Leaf>>) => Object.entries(of);
    for (const [name, group] of Object.entries(commandTree.groups)) {
      for (const [verb] of leaves(group.verbs)) {
        const { code, out } = await runCli([name, verb, '--help']);
        assert.equal(code, 0);
        assert.ok(out.startsWith(`\nUsage:  swarmts ${name} ${verb}`), `${name} ${verb}`);
      }
    }
    for (const [name] of leaves(commandTree.commands)) {
      assert.ok((await runCli([name, '--help'])).out.startsWith(`\nUsage:  swarmts ${name}`), name);
    }
  });

  it('completes commands, flags, their choices and the names of objects', async () => {
    const words = async (...w: string[]) =>
      (await runCli(['__complete', ...w], completion)).out.split('\n').slice(0, -1);
    const completion: FakeRoutes = { 'GET /services': () => ({ json: [service()] }) };
    assert.deepEqual(await words('ser'), ['service']);
    assert.deepEqual(await words('service', 'p'), ['plan', 'ps']);
    assert.deepEqual(await words('service', 'update', '--update-o'), ['--update-order']);
    assert.deepEqual(await words('service', 'update', '--update-order', 'st'), ['start-first', 'stop-first']);
    assert.deepEqual(await words('service', 'rm', ''), ['web']);
    assert.deepEqual(await words('node', 'rm', ''), []);
  });
});

describe('swarm commands', () => {
  it('init tells how others join', async () => {
    const { code, out, requests } = await runCli(['init', '--advertise-addr', '10.0.0.1'], swarmRoutes);
    assert.equal(code, 0);
    matchesGolden('swarm-init', out);
    const body = requests[0]?.body;
    assert.ok(typeof body === 'object' && body !== null && 'AdvertiseAddr' in body);
    assert.equal(body.AdvertiseAddr, '10.0.0.1');
  });

  it('join says in which role', async () => {
    const { out } = await runCli(['swarm', 'join', '--token', 't', '10.0.0.1:2377'], swarmRoutes);
    assert.equal(out, 'This node joined a swarm as a worker.\n');
  });

  it('join-token -q prints the token alone', async () => {
    const r = await runCli(['swarm', 'join-token', '-q', 'manager'], swarmRoutes);
    assert.equal(r.out, 'SWMTKN-1-m\n');
  });

  it('takes negative numbers, which stand for no limit, for the task history', async () => {
    const routes: FakeRoutes = {
      'GET /swarm': () => ({ json: { ID: 'c', Version: { Index: 4 }, Spec: {} } }),
      'POST /swarm/update': () => ({}),
    };
    const { code, err, requests } = await runCli(['swarm', 'update', '--task-history-limit', '-5'], routes);
    assert.equal(code, 0, err);
    assert.deepEqual(requests.at(-1)?.body, { Orchestration: { TaskHistoryRetentionLimit: -5 } });
  });

  it('promote skips what is a manager, and changes nothing when a node does not exist', async () => {
    const manager = node('node1', 'm1', { Spec: { Role: 'manager' } });
    const routes: FakeRoutes = {
      'GET /nodes/m1': () => ({ json: manager }),
      'GET /nodes/w1': () => ({ json: node('node2', 'w1') }),
      'GET /nodes/gone': () => ({ status: 404, json: { message: 'node gone not found' } }),
      'POST /nodes/node2/update': () => ({}),
    };
    const r = await runCli(['node', 'promote', 'm1', 'w1'], routes);
    assert.deepEqual([r.code, r.out], [0, 'Node w1 promoted to a manager in the swarm.\n']);
    assert.equal(r.err, 'Node m1 is already a manager.\n');
    assert.deepEqual(r.requests.at(-1)?.query, { version: '3' });
    const failed = await runCli(['node', 'promote', 'w1', 'gone'], routes);
    assert.deepEqual([failed.code, failed.out], [1, '']);
    assert.equal(failed.err, 'Error response from daemon: node gone not found\n');
    assert.ok(failed.requests.every((q) => q.method === 'GET'));
  });
});
