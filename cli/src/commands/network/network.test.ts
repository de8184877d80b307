import assert from 'node:assert/strict';
import { type FakeRoutes, runCli } from '../../testing/fake-api.js';

const NETWORKS = [
  { Id: 'b'.repeat(64), Name: 'bridge', Driver: 'bridge', Scope: 'local', Labels: {} },
  { Id: 'n'.repeat(25), Name: 'back', Driver: 'overlay', Scope: 'swarm', Labels: { tier: 'db' } },
];
const routes: FakeRoutes = {
  'GET /networks': () => ({ json: NETWORKS }),
  'POST /networks/create': () => ({ status: 201, json: { Id: 'n'.repeat(25), Warning: '' } }),
  'POST /networks/back/connect': () => ({}),
  'POST /networks/back/disconnect': () => ({}),
  'POST /networks/prune': () => ({ json: { NetworksDeleted: ['back'] } }),
  'DELETE /networks/back': () => ({ status: 204 }),
  'DELETE /networks/gone': () => ({ status: 404, json: { message: 'network gone not found' } }),
};

describe('network', () => {
  it('create sends subnets, gateways and options as Docker’s API wants them', async () => {
    const argv = [
      'network',
      'create',
      '-d',
      'overlay',
      '--attachable',
      '--subnet',
      '10.9.0.0/24',
      '--gateway',
      '10.9.0.1',
    ];
    const more = [
      '--aux-address',
      'printer=10.9.0.9',
      '--opt',
      'com.docker.network.driver.mtu=1400',
      '--label',
      'a=b',
      'back',
    ];
    const { code, out, requests } = await runCli([...argv, ...more], routes);
    assert.equal(code, 0);
    assert.equal(out, `${'n'.repeat(25)}\n`);
    const body = requests[0]?.body as Record<string, unknown>;
    assert.deepEqual([body.Name, body.Driver, body.Attachable, body.Internal], ['back', 'overlay', true, false]);
    assert.deepEqual((body.IPAM as { Config: unknown }).Config, [
      { Subnet: '10.9.0.0/24', Gateway: '10.9.0.1', AuxiliaryAddresses: { printer: '10.9.0.9' } },
    ]);
    assert.deepEqual(body.Options, { 'com.docker.network.driver.mtu': '1400' });
  });

  it('create refuses a gateway outside of its subnets before it asks', async () => {
    const r = await runCli(['network', 'create', '--subnet', '10.9.0.0/24', '--gateway', '10.8.0.1', 'back'], routes);
    assert.equal(r.code, 1);
    assert.match(r.err, /no matching subnet for gateway 10\.8\.0\.1/);
    assert.deepEqual(r.requests, []);
  });

  it('ls prints Docker’s table, templates and -q', async () => {
    const out = async (...argv: string[]) => (await runCli(['network', 'ls', ...argv], routes)).out;
    assert.match(
      await out(),
      /^NETWORK ID +NAME +DRIVER +SCOPE\nnnnnnnnnnnnn +back +overlay +swarm\nbbbbbbbbbbbb +bridge +bridge +local\n$/,
    );
    assert.equal(await out('--format', '{{.Name}} {{.Label "tier"}}'), 'back db\nbridge \n');
    assert.equal(await out('-q'), 'nnnnnnnnnnnn\nbbbbbbbbbbbb\n');
  });

  it('connect and disconnect name container, aliases and addresses', async () => {
    const r = await runCli(
      [
        'network',
        'connect',
        '--alias',
        'db',
        '--ip',
        '10.9.0.7',
        '--link',
        'c:d',
        '--gw-priority',
        '-3',
        'back',
        'box',
      ],
      routes,
    );
    assert.deepEqual(r.requests[0]?.body, {
      Container: 'box',
      EndpointConfig: {
        Aliases: ['db'],
        Links: ['c:d'],
        IPAMConfig: { IPv4Address: '10.9.0.7', IPv6Address: '' },
        DriverOpts: {},
        GwPriority: -3,
      },
    });
    const off = await runCli(['network', 'disconnect', '-f', 'back', 'box'], routes);
    assert.deepEqual(off.requests[0]?.body, { Container: 'box', Force: true });
  });

  it('rm goes on behind a failure, and forgives what is not there when forced', async () => {
    const plain = await runCli(['network', 'rm', 'gone', 'back'], routes);
    assert.deepEqual([plain.code, plain.out], [1, 'back\n']);
    assert.match(plain.err, /network gone not found/);
    assert.equal((await runCli(['network', 'rm', '-f', 'gone', 'back'], routes)).code, 0);
  });

  it('rm asks before it removes the routing mesh, forced or not', async () => {
    const mesh: FakeRoutes = {
      ...routes,
      'GET /networks/ingress': () => ({ json: { Name: 'ingress', Ingress: true } }),
      'DELETE /networks/ingress': () => ({ status: 204 }),
    };
    const deletions = (r: Awaited<ReturnType<typeof runCli>>) =>
      r.requests.filter((q) => q.method === 'DELETE').map((q) => q.path);
    for (const flags of [[], ['-f']]) {
      const no = await runCli(['network', 'rm', ...flags, 'ingress', 'back'], mesh, { stdin: 'n\n' });
      assert.match(no.out, /^WARNING! .*routing mesh[\s\S]*Are you sure you want to continue\? \[y\/N\] back\n$/);
      assert.deepEqual(deletions(no), ['/networks/back']);
    }
    const yes = await runCli(['network', 'rm', 'ingress'], mesh, { stdin: 'y\n' });
    assert.deepEqual([yes.code, deletions(yes)], [0, ['/networks/ingress']]);
  });

  it('prune asks first', async () => {
    const no = await runCli(['network', 'prune'], routes, { stdin: 'n\n' });
    assert.match(no.out, /Are you sure you want to continue\? \[y\/N\]/);
    assert.deepEqual(no.requests, []);
    assert.match((await runCli(['network', 'prune'], routes, { stdin: 'y\n' })).out, /Deleted Networks:\nback/);
    assert.match((await runCli(['network', 'prune', '-f'], routes)).out, /^Deleted Networks:\nback/);
  });
});
