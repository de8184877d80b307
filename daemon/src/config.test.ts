import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DaemonConfig, DEFAULT_HOST, parseDaemonArgs } from './config.js';

function configOf(...argv: string[]): DaemonConfig {
  const parsed = parseDaemonArgs(argv);
  assert.ok(parsed.kind === 'run');
  return parsed.config;
}

describe('the configuration of the daemon', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-config-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const file = (text: string): string => {
    const path = join(dir, 'daemon.json');
    writeFileSync(path, text);
    return `--config-file=${path}`;
  };

  it('has defaults for everything', () => {
    const c = configOf();
    assert.deepEqual(c.hosts, [DEFAULT_HOST]);
    assert.equal(c.defaultRuntime, '');
    assert.equal(c.cgroupFavorDynmods, true);
    assert.equal(c.leaseMs, 60_000);
  });

  it('takes whose ids containers have', () => {
    assert.equal(configOf().usernsRemap, '');
    assert.equal(configOf('--userns-remap=default').usernsRemap, 'default');
    assert.equal(configOf(file('{"userns-remap": "alice:alice"}')).usernsRemap, 'alice:alice');
  });

  it('takes the flags that start a dockerd', () => {
    const c = configOf('-H', 'unix:///a.sock', '-H', 'tcp://127.0.0.1:2376', '-D', '--live-restore', '--label', 'a=b');
    assert.deepEqual(c.hosts, ['unix:///a.sock', 'tcp://127.0.0.1:2376']);
    assert.equal(c.logLevel, 'debug');
    assert.deepEqual(c.labels, ['a=b']);
    assert.match(c.warnings.join(), /live-restore has no meaning/);
  });

  it('turns a flag off with =false, on the command line and in the file', () => {
    assert.equal(configOf('--cgroup-favor-dynmods=false').cgroupFavorDynmods, false);
    assert.equal(configOf('--cgroup-favor-dynmods=true').cgroupFavorDynmods, true);
    assert.equal(configOf(file('{"cgroup-favor-dynmods": false}')).cgroupFavorDynmods, false);
  });

  it('takes limits of transfers and mirrors', () => {
    const c = configOf(
      '--max-concurrent-downloads=7',
      '--registry-mirror=https://mirror:5000/hub',
      file('{"max-concurrent-uploads": 2}'),
    );
    assert.deepEqual([c.maxConcurrentDownloads, c.maxConcurrentUploads, c.maxDownloadAttempts], [7, 2, 5]);
    assert.deepEqual(c.registryMirrors, ['https://mirror:5000/hub']);
  });

  it('reads the keys of dockerd from the file', () => {
    const c = configOf(file('{"hosts": ["unix:///x.sock"], "insecure-registries": ["r:5000"], "debug": true}'));
    assert.deepEqual(c.hosts, ['unix:///x.sock']);
    assert.deepEqual(c.insecureRegistries, ['r:5000']);
    assert.equal(c.debug, true);
  });

  it('names what it cannot take', () => {
    assert.throws(() => configOf('--no-such-flag'), /no-such-flag/);
    for (const mirror of ['mirror:5000', 'ftp://m', 'https://u:p@m', 'https://m?x=1']) {
      assert.throws(() => configOf('--registry-mirror', mirror), /invalid mirror: "/);
    }
    assert.throws(() => configOf('--max-concurrent-downloads=0'), /at least 1 is needed/);
    assert.throws(() => configOf(file('{"no-such-key": 1}')), /no-such-key/);
    assert.throws(() => configOf(file('{')), /is not valid JSON/);
    assert.throws(() => configOf('--config-file', join(dir, 'absent.json')), /unable to read the config file/);
    assert.throws(
      () => configOf(file('{"debug": true}'), '--debug'),
      /both as a flag and in the configuration file: debug/,
    );
    assert.throws(() => configOf('--mtu', 'big'), /mtu/);
    assert.throws(() => configOf('-H', 'http://x'), /http:\/\/x/);
    assert.throws(() => configOf('--event-bus', 'kafka://x'), /invalid --event-bus: use nats:/);
  });
});
