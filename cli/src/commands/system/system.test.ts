import assert from 'node:assert/strict';
import { runCli } from '../../testing/fake-api.js';

const checks = [
  { name: 'runc', ok: true, detail: '/usr/sbin/runc', fix: '' },
  { name: 'nft', ok: false, detail: 'not found', fix: 'apt-get install nftables' },
];

describe('doctor', () => {
  it('shows what fails and how to mend it', async () => {
    const { code, out, err } = await runCli(['doctor'], {
      'GET /swarmts/v1/doctor': () => ({ json: { Checks: checks } }),
    });
    assert.deepEqual([code, err], [1, '\n1 of 2 checks failed\n']);
    assert.ok(out.includes('nft       FAILED    not found\n\nnft: apt-get install nftables\n'), out);
  });
});

describe('inspect', () => {
  it('ends with 64 for a template that cannot be read', async () => {
    const r = await runCli(['inspect', '-f', '{{.Name', 'c1'], { 'GET /containers/c1/json': () => ({ json: {} }) });
    assert.deepEqual([r.code, r.err], [64, 'template parsing error: template: :1: unclosed action\n']);
  });

  it('asks kind by kind, and says so when there is nothing', async () => {
    const found = await runCli(['inspect', '-f', '{{.NetworkSettings.SandboxKey}}', 'c1'], {
      'GET /containers/c1/json': () => ({ json: { NetworkSettings: { SandboxKey: '/n/c' } } }),
    });
    assert.deepEqual([found.code, found.out, found.requests.length], [0, '/n/c\n', 1]);
    const none = await runCli(['inspect', 'nothing']);
    assert.deepEqual([none.code, none.out, none.err], [1, '[]\n', 'error: no such object: nothing\n']);
  });
});

describe('system prune', () => {
  const routes = {
    'POST /containers/prune': () => ({ json: { ContainersDeleted: ['c1'], SpaceReclaimed: 2000 } }),
    'POST /networks/prune': () => ({ json: { NetworksDeleted: ['back'] } }),
    'POST /volumes/prune': () => ({ json: { VolumesDeleted: ['v1'], SpaceReclaimed: 1000 } }),
    'POST /images/prune': () => ({ json: { ImagesDeleted: [{ Deleted: 'i1' }], SpaceReclaimed: 3000 } }),
    'POST /build/prune': () => ({ json: { CachesDeleted: [], SpaceReclaimed: 0 } }),
  };

  it('removes kind by kind what nothing uses, and adds up what that freed', async () => {
    const r = await runCli(['system', 'prune', '-af', '--volumes', '--filter', 'label=x'], routes);
    assert.equal(
      r.out,
      'Deleted Containers:\nc1\n\nDeleted Networks:\nback\n\nDeleted Volumes:\nv1\n\nDeleted Images:\ndeleted: i1\n\nTotal reclaimed space: 6kB\n',
    );
    const filters = r.requests.map((q) => [q.path, q.query.filters]);
    assert.deepEqual(filters, [
      ['/containers/prune', '{"label":{"x":true}}'],
      ['/networks/prune', '{"label":{"x":true}}'],
      ['/volumes/prune', '{"label":{"x":true}}'],
      ['/images/prune', '{"label":{"x":true},"dangling":{"false":true}}'],
      ['/build/prune', '{"label":{"x":true}}'],
    ]);
  });

  it('says first what it would remove, and lets volumes be unless asked', async () => {
    const no = await runCli(['system', 'prune', '--filter', 'until=24h'], routes, { stdin: 'n\n' });
    assert.equal(no.requests.length, 0);
    assert.match(no.out, /- all stopped containers\n[\s\S]*- all dangling images\n[\s\S]*- until=24h\n/);
    const yes = await runCli(['system', 'prune'], routes, { stdin: 'y\n' });
    assert.ok(!yes.requests.some((q) => q.path === '/volumes/prune'));
    const refused = await runCli(['system', 'prune', '--volumes', '--filter', 'until=24h'], routes);
    assert.deepEqual([refused.code, refused.requests.length], [1, 0]);
    assert.match(refused.err, /"until" filter is not supported with "--volumes"/);
  });
});

describe('system df -v', () => {
  const usage = {
    ImageUsage: {
      Items: [
        { Id: 'sha256:0123456789abcdef', RepoTags: ['web:1', 'web:2'], Size: 5000, SharedSize: 2000, Containers: 1 },
      ],
    },
    ContainerUsage: {
      Items: [{ Id: 'c1', Names: ['/box'], Mounts: [{ Name: 'v1' }], SizeRw: 10, SizeRootFs: 5010 }],
    },
    VolumeUsage: { Items: [{ Name: 'v1', UsageData: { RefCount: 1, Size: 70 } }] },
  };
  const routes = { 'GET /system/df': () => ({ json: usage }) };

  it('lists what takes the room', async () => {
    const { out } = await runCli(['system', 'df', '-v'], routes);
    for (const line of [
      /^REPOSITORY .*SHARED SIZE +UNIQUE SIZE +CONTAINERS$/m,
      /^web +2 +0123456789ab .* 5kB +2kB +3kB +1$/m,
      /^c1 .* 1 +10B \(virtual 5.01kB\) .* box$/m,
      /^v1 +1 +70B$/m,
      /^Build cache usage: 0B$/m,
    ]) {
      assert.match(out, line);
    }
    const json = JSON.parse((await runCli(['system', 'df', '-v', '--format', 'json'], routes)).out);
    assert.deepEqual(json.Volumes, [{ Name: 'v1', Links: '1', Size: '70B' }]);
    assert.match((await runCli(['system', 'df', '-v', '--format', '{{.Type}}'], routes)).err, /--format json/);
  });
});

describe('events', () => {
  const line =
    '{"Type":"service","Action":"create","Actor":{"ID":"s1","Attributes":{"name":"web"}},"time":1767323045,"timeNano":1767323045123456789}';
  const routes = { 'GET /events': () => ({ raw: Buffer.from(`${line}\n`) }) };

  it('show times from which one can go on to the nanosecond', async () => {
    const shown = await runCli(['events', '--since', '2026-01-02T03:04:05.123456789Z'], routes);
    assert.equal(shown.out, '2026-01-02T03:04:05.123456789Z service create s1 (name=web)\n');
    assert.equal(shown.requests[0]?.query.since, '1767323045.123456789');
    assert.equal((await runCli(['events', '--format', 'json'], routes)).out, `${line}\n`);
    assert.equal((await runCli(['events', '--format', '{{.Actor.ID}}'], routes)).out, 's1\n');
  });
});

describe('pull', () => {
  it('fails with the error inside the stream', async () => {
    const raw = Buffer.from('{"status":"Pulling","id":"x"}\n{"errorDetail":{"message":"no such image"}}\n');
    const { code, out, err } = await runCli(['pull', 'a:1'], { 'POST /images/create': () => ({ raw }) });
    assert.deepEqual([code, out, err], [1, 'x: Pulling\n', 'no such image\n']);
  });
});
