import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@swarmts/lib';
import { parseDaemonArgs } from './config/config.js';
import { groupOptions, listenOptionsOf } from './listening.js';

const cluster = { material: undefined, onChange: () => undefined };

function optionsOf(address: string, ...flags: string[]) {
  const parsed = parseDaemonArgs(flags);
  assert.ok(parsed.kind === 'run');
  return listenOptionsOf(parsed.config, address, cluster, silentLogger);
}

describe('how the API listens', () => {
  const GROUPS = 'root:x:0:\nswarmts:x:998:ann\nops:x:1001:\n';

  it('gives the socket to the group that there is, and refuses one that there is not', () => {
    assert.deepEqual(groupOptions('', GROUPS), { groupId: 998 });
    assert.deepEqual(groupOptions('', 'root:x:0:\n'), {});
    assert.deepEqual(groupOptions('ops', GROUPS), { groupId: 1001 });
    assert.deepEqual(groupOptions('1001', GROUPS), { groupId: 1001 });
    assert.throws(() => groupOptions('nobody', GROUPS), /group nobody of the API's socket does not exist: make it/);
  });

  it("asks for certificates of the cluster's CA on TCP unless it is told otherwise", () => {
    assert.equal(optionsOf('tcp://127.0.0.1:1').tls, cluster);
    assert.deepEqual(optionsOf('tcp://127.0.0.1:1', '--tls=false'), {});
  });

  it('reads files of its own, and names the one that is missing', () => {
    const dir = mkdtempSync(join(tmpdir(), 'swarmts-listening-'));
    try {
      const flags = ['ca', 'cert', 'key'].map((name) => {
        writeFileSync(join(dir, name), name);
        return `--tls${name === 'ca' ? 'cacert' : name}=${join(dir, name)}`;
      });
      const { tls } = optionsOf('tcp://x:1', '--tlsverify', ...flags);
      assert.deepEqual(tls?.material, { certPem: 'cert', keyPem: 'key', clientCaPem: 'ca' });
      const open = optionsOf('tcp://x:1', '--tlsverify=false', ...flags);
      assert.deepEqual(open.tls?.material, { certPem: 'cert', keyPem: 'key' });
      rmSync(join(dir, 'key'));
      assert.throws(() => optionsOf('tcp://x:1', '--tlsverify', ...flags), /--tlskey: cannot read .*key/);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it('lets nobody in by mistake', () => {
    const files = ['--tlscert=c', '--tlskey=k'];
    assert.throws(() => optionsOf('x', '--tls'), /needs --tlscert and --tlskey/);
    assert.throws(() => optionsOf('x', '--tls', ...files), /not verified are root on this machine: add --tlsverify/);
    assert.throws(() => optionsOf('x', '--tlscacert=ca', ...files), /add --tlsverify and --tlscacert/);
    assert.throws(() => optionsOf('x', '--tlsverify', ...files), /--tlsverify needs --tlscacert/);
    assert.throws(() => optionsOf('x', '--tls=false', '--tlsverify'), /exclude each other/);
  });
});
