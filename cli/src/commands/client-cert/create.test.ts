import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from '../../testing/fake-api.js';

const routes = {
  'POST /swarmts/v1/client-certificates': () => ({ status: 201, json: { CA: 'ca', Certificate: 'cert', Key: 'key' } }),
};

describe('client-cert create', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-client-cert-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('writes what docker --tlsverify reads, and asks for the role and the time', async () => {
    const out = join(dir, 'ann');
    const argv = ['client-cert', 'create', 'ann', '--role', 'admin', '--expiry', '90m', '--out', out];
    const { code, requests } = await runCli(argv, routes);
    assert.equal(code, 0);
    assert.deepEqual(requests[0]?.body, { Name: 'ann', Role: 'admin', Expiry: 5400e9 });
    assert.deepEqual(
      ['ca.pem', 'cert.pem', 'key.pem'].map((f) => readFileSync(join(out, f), 'utf8')),
      ['ca', 'cert', 'key'],
    );
    const again = await runCli(argv, routes);
    assert.deepEqual([again.code, again.requests], [1, []]);
    assert.match(again.err, /ca\.pem exists: choose another folder with --out/);
  });

  it('leaves nothing behind when it is refused', async () => {
    const out = join(dir, 'bob');
    const refused = () => ({ status: 400, json: { message: 'invalid name' } });
    const argv = ['client-cert', 'create', 'b', '--role', 'readonly', '-o', out];
    const { code } = await runCli(argv, { 'POST /swarmts/v1/client-certificates': refused });
    assert.equal(code, 1);
    assert.ok(!existsSync(out));
    const { err } = await runCli(['client-cert', 'create', 'b', '-o', out], routes);
    assert.match(err, /give --role admin or readonly, not ""/);
  });
});
