import assert from 'node:assert/strict';
import { type FakeRoutes, runCli } from '../testing/fake-api.js';
import { matchesGolden } from '../testing/golden.js';
import { node, service, task } from '../testing/objects.js';

const nodes = [
  node('node2', 'w10', { Status: { State: 'down' } }),
  node('node1', 'w2', { Spec: { Availability: 'drain' } }),
  node('self1', 'm1', { ManagerStatus: { Leader: true, Reachability: 'reachable', Addr: '10.0.0.1:2377' } }),
  node('self2', 'm2', { ManagerStatus: { Reachability: 'unreachable' } }),
];
const tasks = [
  task(2, 'running'),
  task(1, 'failed', {
    ID: 'old1old1old1old1old1old1a',
    CreatedAt: '2026-03-01T11:00:00Z',
    DesiredState: 'shutdown',
    Status: { State: 'failed', Timestamp: '2026-03-01T11:59:30Z', Err: 'task: non-zero exit (137): killed by signal' },
  }),
  task(1, 'running'),
  task(10, 'pending', { NodeID: '', Status: { State: 'pending', Timestamp: '2026-03-01T12:00:00Z' } }),
];
const routes: FakeRoutes = {
  'GET /nodes': () => ({ json: nodes }),
  'GET /info': () => ({ json: { Swarm: { NodeID: 'self1', LocalNodeState: 'active' } } }),
  'GET /services': () => ({
    json: [
      service({
        Endpoint: { Ports: [80, 81].map((n) => ({ Protocol: 'tcp', TargetPort: n, PublishedPort: n + 8000 })) },
      }),
      service({ ID: 'g'.repeat(25), Spec: { Name: 'agent', Mode: { Global: {} } } }),
    ],
  }),
  'GET /services/web': () => ({ json: service() }),
  'GET /tasks': () => ({ json: tasks }),
};

describe('lists', () => {
  for (const [name, argv] of [
    ['node-ls', ['node', 'ls']],
    ['service-ls', ['service', 'ls']],
    ['service-ps', ['service', 'ps', 'web']],
    ['service-ps-no-trunc', ['service', 'ps', '--no-trunc', 'web']],
  ] as const) {
    it(`${argv.join(' ')} prints Docker's table`, async () => {
      const { code, out } = await runCli(argv, routes);
      assert.equal(code, 0);
      matchesGolden(name, out);
    });
  }

  it('take templates, json and -q', async () => {
    const out = async (...argv: string[]) => (await runCli(argv, routes)).out;
    assert.equal(
      await out('node', 'ls', '--format', '{{.Hostname}} {{.ManagerStatus}}'),
      'm1 Leader\nm2 Unreachable\nw2 \nw10 \n',
    );
    assert.equal(await out('service', 'ls', '--format', '{{.Name}} {{.Replicas}}'), 'agent 2/3\nweb 2/3\n');
    assert.equal(JSON.parse((await out('service', 'ls', '--format', 'json')).split('\n')[0] ?? '').Name, 'agent');
    assert.equal(await out('node', 'ls', '-q'), 'self1\nself2\nnode1\nnode2\n');
    assert.equal(
      await out('node', 'ls', '--format', 'table {{.Hostname}}\t{{.Status}}'),
      'HOSTNAME   STATUS\nm1         Ready\nm2         Ready\nw2         Ready\nw10        Down\n',
    );
    assert.equal(await out('info', '--format', '{{.Swarm.LocalNodeState}}'), 'active\n');
  });

  it('send filters as the API wants them', async () => {
    const { requests } = await runCli(['service', 'ps', 'web', '-f', 'desired-state=running', '-f', 'node=a'], routes);
    const query = requests.find((r) => r.path === '/tasks')?.query ?? {};
    assert.deepEqual(JSON.parse(query.filters ?? ''), {
      'desired-state': { running: true },
      node: { a: true },
      service: { [service().ID]: true },
    });
  });

  it('print whole task ids with -q', async () => {
    const onNode: FakeRoutes = { ...routes, 'GET /nodes/w2': () => ({ json: nodes[1] }) };
    for (const argv of [
      ['service', 'ps', '-q', 'web'],
      ['node', 'ps', '-q', 'w2'],
      ['stack', 'ps', '-q', 'shop'],
    ]) {
      const ids = (await runCli(argv, onNode)).out.split('\n').slice(0, -1);
      assert.deepEqual(ids.toSorted(), tasks.map((t) => t.ID).toSorted(), argv.join(' '));
    }
  });

  it('name the services that do not exist and list the others', async () => {
    const { code, out, err } = await runCli(['service', 'ps', '-q', 'web', 'nope'], routes);
    assert.deepEqual([code, out.split('\n').length, err], [1, 5, 'no such service: nope\n']);
  });
});
