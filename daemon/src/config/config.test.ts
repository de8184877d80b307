import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DaemonConfig, parseDaemonArgs } from './config.js';
import { DEFAULT_HOST } from './defaults.js';

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
    assert.deepEqual(configOf('-H=127.0.0.1:2375', '-H=unix:///a.sock').hosts, [
      'tcp://127.0.0.1:2375',
      'unix:///a.sock',
    ]);
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

  it('takes what containers get that do not say otherwise, from flags', () => {
    const profile = join(dir, 'seccomp.json');
    writeFileSync(profile, '{"defaultAction": "SCMP_ACT_ALLOW"}');
    const c = configOf(
      ...[
        '--log-driver=local',
        '--log-opt',
        'max-size=10m',
        '--log-opt',
        'max-file=3',
        '--init',
        '--no-new-privileges',
      ],
      ...['--default-shm-size=128m', '--default-ulimit', 'nofile=64:128', `--seccomp-profile=${profile}`],
      ...['--default-ipc-mode=shareable', '--default-cgroupns-mode=host', '--ip=127.0.0.1'],
    ).containers;
    assert.deepEqual(c, {
      log: { driver: 'local', options: { 'max-size': '10m', 'max-file': '3' } },
      init: true,
      noNewPrivileges: true,
      shmSizeBytes: 128 << 20,
      ulimits: [{ name: 'nofile', soft: 64, hard: 128 }],
      seccompProfile: '{"defaultAction": "SCMP_ACT_ALLOW"}',
      ipcMode: 'shareable',
      cgroupnsMode: 'host',
      hostIp: '127.0.0.1',
    });
  });

  it('takes a file that was made for dockerd', () => {
    const c = configOf(
      file(
        JSON.stringify({
          'log-driver': 'json-file',
          'log-opts': { 'max-size': '10m', 'max-file': '3' },
          'default-ulimits': { nofile: { Name: 'nofile', Hard: 64000, Soft: 64000 } },
          'default-address-pools': [{ base: '10.10.0.0/16', size: 24 }],
          'exec-opts': ['native.cgroupdriver=systemd'],
          'storage-driver': 'overlay2',
          'storage-opts': ['overlay2.override_kernel_check=true'],
          'dns-search': ['example.org'],
          'dns-opts': ['ndots:1'],
          'live-restore': true,
          features: { buildkit: true },
          builder: { gc: { enabled: true } },
          ipv6: true,
          'fixed-cidr-v6': 'fd00::/80',
          init: true,
        }),
      ),
    );
    assert.deepEqual(c.containers.log, { driver: 'json-file', options: { 'max-size': '10m', 'max-file': '3' } });
    assert.deepEqual(c.containers.ulimits, [{ name: 'nofile', soft: 64000, hard: 64000 }]);
    assert.deepEqual(c.dns, { servers: [], search: ['example.org'], options: ['ndots:1'] });
    assert.equal(c.containers.init, true);
    for (const key of ['exec-opts', 'storage-driver', 'storage-opts', 'live-restore', 'features', 'builder', 'ipv6'])
      assert.ok(
        c.warnings.some((w) => w.startsWith(`${key} has no meaning for swarmtsd and is ignored: `)),
        key,
      );
  });

  it('takes pools of subnets, from which the local network has the first', () => {
    const two = configOf(
      '--default-address-pool',
      'base=10.10.0.0/16,size=24',
      '--default-address-pool=base=fd00:1::/48,size=64',
    );
    assert.deepEqual(two.defaultAddressPools, [
      { base: '10.10.0.0/16', bits: 24 },
      { base: 'fd00:1::/48', bits: 64 },
    ]);
    assert.equal(two.bridgeSubnet, '10.10.0.0/24');
    assert.equal(
      configOf('--bip=10.1.0.1/24', '--default-address-pool=base=10.10.0.0/16,size=24').bridgeSubnet,
      '10.1.0.1/24',
    );
    assert.equal(configOf().bridgeSubnet, '172.30.0.0/16');
    const none = configOf('--bridge=none');
    assert.deepEqual(
      [none.containers.withoutBridge, none.warnings, configOf().containers.withoutBridge],
      [true, [], undefined],
    );
    assert.match(configOf('-b', 'br0').warnings.join(), /bridge is ignored unless it is none/);
    const inFile = (pool: string) => configOf(file(`{"default-address-pools": ${pool}}`)).defaultAddressPools;
    assert.deepEqual(inFile('[{"base": "10.10.0.0/16", "size": 24}]'), [{ base: '10.10.0.0/16', bits: 24 }]);
    assert.throws(() => inFile('[{"base": "10.10.0.0/16", "size": 8}]'), /subnets has to be from 16 to 29/);
    assert.throws(() => inFile('[{"size": 24}]'), /it has no base/);
    assert.throws(() => inFile('[{"base": "here", "size": 24}]'), /invalid default-address-pool \{"base":"here"/);
    assert.throws(
      () => inFile('[{"base": "10.0.0.0/8", "size": 24}, {"base": "10.1.0.0/16", "size": 24}]'),
      /overlaps/,
    );
    assert.throws(() => inFile('"10.0.0.0/8"'), /use a list of/);
    assert.throws(() => configOf('--default-address-pool=10.0.0.0/8'), /use base=SUBNET,size=BITS/);
  });

  it('takes proxies, from flags or from their place in the file', () => {
    assert.deepEqual(configOf().proxies, {});
    assert.deepEqual(configOf('--https-proxy=http://p:3128', '--no-proxy=a,b').proxies, {
      HTTPS_PROXY: 'http://p:3128',
      NO_PROXY: 'a,b',
    });
    assert.deepEqual(configOf(file('{"proxies": {"http-proxy": "p:3128"}}')).proxies, { HTTP_PROXY: 'p:3128' });
    const cases: readonly (readonly [string, RegExp])[] = [
      ['{"proxies": {"http-proxy": "socks5://p"}}', /invalid proxy "socks5:\/\/p": use http:/],
      ['{"proxies": {"ftp-proxy": "p"}}', /don't match any configuration option: proxies.ftp-proxy/],
      ['{"proxies": "p"}', /for "proxies": use an object/],
      ['{"http-proxy": "http://p"}', /don't match any configuration option: http-proxy/],
    ];
    for (const [text, message] of cases) assert.throws(() => configOf(file(text)), message);
    assert.throws(() => configOf(file('{"proxies": {"no-proxy": "a"}}'), '--no-proxy=b'), /both as a flag and in/);
  });

  it('looks at the settings alone when asked to', () => {
    assert.equal(parseDaemonArgs(['--validate', file('{"debug": true}')]).kind, 'valid');
    assert.throws(() => parseDaemonArgs(['--validate', file('{"log-driver": "gelf"}')]), /gelf/);
  });

  it('names the default of containers that cannot be', () => {
    const cases: readonly (readonly [string, RegExp])[] = [
      ['{"log-driver": "gelf"}', /no log driver named 'gelf' is registered/],
      ['{"log-opts": {"max-sise": "1m"}}', /unknown log opt 'max-sise' for json-file log driver/],
      ['{"log-opts": {"max-size": "much"}}', /invalid size: 'much'/],
      ['{"log-opts": {"max-file": "0"}}', /max-file cannot be less than 1: 0/],
      ['{"log-opts": {"max-file": 3}}', /"max-file: 3" for "log-opts": use a string/],
      ['{"log-opts": "max-size=1m"}', /for "log-opts": use an object/],
      ['{"default-ulimits": {"nofile": {"Soft": "x"}}}', /for "default-ulimits": use \{"Name": NAME/],
      ['{"default-ulimits": {"nofile": {"Soft": 2, "Hard": 1}}}', /soft limit must be less than or equal/],
      ['{"default-shm-size": "0"}', /for "default-shm-size": more than 0 is needed/],
      ['{"default-shm-size": "big"}', /invalid size: 'big'/],
      ['{"default-ipc-mode": "host"}', /"host" for "default-ipc-mode": use private or shareable/],
      ['{"default-cgroupns-mode": "x"}', /"x" for "default-cgroupns-mode": use private or host/],
      ['{"seccomp-profile": "/absent.json"}', /opening seccomp profile \(\/absent.json\) failed/],
      ['{"ip": "localhost"}', /"localhost" for "ip": use an IP address/],
      ['{"host-gateway-ip": "here"}', /"here" for "host-gateway-ip": use an IP address/],
      [
        '{"authorization-plugins": ["opa"]}',
        /authorization-plugins cannot be used with swarmtsd: there are no plugins/,
      ],
    ];
    for (const [text, message] of cases) assert.throws(() => configOf(file(text)), message);
    assert.throws(() => configOf('--log-opt', 'max-size'), /"max-size" for "log-opt": use KEY=VALUE/);
    assert.throws(() => configOf('--default-ulimit', 'nofile'), /invalid ulimit argument: nofile/);
  });

  it('names what it cannot take', () => {
    assert.throws(() => configOf('--no-such-flag'), /no-such-flag/);
    for (const mirror of ['mirror:5000', 'ftp://m', 'https://u:p@m', 'https://m?x=1']) {
      assert.throws(() => configOf('--registry-mirror', mirror), /invalid mirror: "/);
    }
    const unlimited = configOf('--max-concurrent-downloads=0', '--max-concurrent-uploads=0');
    const { maxConcurrentDownloads, maxConcurrentUploads } = unlimited;
    assert.deepEqual(
      [maxConcurrentDownloads, maxConcurrentUploads],
      [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    );
    assert.throws(() => configOf('--max-download-attempts=0'), /at least 1 is needed/);
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
