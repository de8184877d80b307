import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chooseHost } from './host.js';

const flags = { tls: false, verify: undefined, ca: '', cert: '', key: '' };

describe('the host', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-host-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));
  const write = (...names: string[]) => {
    for (const n of names) writeFileSync(join(dir, n), n);
  };

  it('is the one of the flag, of SWARMTS_HOST, of DOCKER_HOST, or the default', () => {
    const env = { SWARMTS_HOST: 'unix:///s.sock', DOCKER_HOST: 'unix:///d.sock' };
    assert.equal(chooseHost('unix:///f.sock', env).url, 'unix:///f.sock');
    assert.equal(chooseHost('', env).url, 'unix:///s.sock');
    assert.equal(chooseHost('', {}).url, 'unix:///run/swarmts/swarmts.sock');
    assert.deepEqual(chooseHost('tcp://h', {}), { kind: 'tcp', url: 'tcp://h', hostname: 'h', port: 2375 });
    for (const bad of ['ftp://x', 'tcp://', 'unix://', 'h:1'])
      assert.throws(() => chooseHost(bad, {}), /unable to parse/);
  });

  it('has the certificates of the folder with DOCKER_TLS_VERIFY, and the port for it', () => {
    write('ca.pem', 'cert.pem', 'key.pem');
    const host = chooseHost('tcp://h', { DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: dir });
    assert.ok(host.kind === 'tcp' && host.tls);
    assert.equal(host.port, 2376);
    const { verify, ...texts } = host.tls;
    assert.equal(verify, true);
    assert.deepEqual(
      Object.entries(texts).map(([k, v]) => [k, String(v)]),
      [
        ['ca', 'ca.pem'],
        ['cert', 'cert.pem'],
        ['key', 'key.pem'],
      ],
    );
  });

  it('is not verified with --tls alone, or --tlsverify=false', () => {
    write('ca.pem');
    const env = { DOCKER_CERT_PATH: dir, DOCKER_TLS_VERIFY: '1' };
    for (const host of [
      chooseHost('tcp://h', { DOCKER_CERT_PATH: dir }, { ...flags, tls: true }),
      chooseHost('tcp://h', env, { ...flags, tls: true, verify: false }),
    ]) {
      assert.deepEqual(host.kind === 'tcp' && host.tls, { verify: false });
    }
    const plain = chooseHost('tcp://h', env, { ...flags, verify: false });
    assert.ok(plain.kind === 'tcp' && plain.tls === undefined);
  });

  it('names files that cannot be read, and a certificate without key', () => {
    const env = { DOCKER_CERT_PATH: dir };
    const none = { ...flags, verify: true, ca: join(dir, 'none.pem') };
    assert.throws(() => chooseHost('tcp://h', env, none), /could not read .*none\.pem for TLS/);
    write('cert.pem');
    assert.throws(() => chooseHost('tcp://h', env, { ...flags, tls: true }), /a client certificate needs its key/);
  });
});
