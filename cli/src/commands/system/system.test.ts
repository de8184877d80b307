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
    const found = await runCli(['inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'c1'], {
      'GET /containers/c1/json': () => ({ json: { NetworkSettings: { IPAddress: '172.30.0.3' } } }),
    });
    assert.deepEqual([found.code, found.out, found.requests.length], [0, '172.30.0.3\n', 1]);
    const none = await runCli(['inspect', 'nothing']);
    assert.deepEqual([none.code, none.out, none.err], [1, '[]\n', 'error: no such object: nothing\n']);
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
