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

describe('pull', () => {
  it('fails with the error inside the stream', async () => {
    const raw = Buffer.from('{"status":"Pulling","id":"x"}\n{"errorDetail":{"message":"no such image"}}\n');
    const { code, out, err } = await runCli(['pull', 'a:1'], { 'POST /images/create': () => ({ raw }) });
    assert.deepEqual([code, out, err], [1, 'x: Pulling\n', 'no such image\n']);
  });
});
