/** config.json: the defaults, and what changes them. */
import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import type { ContainerConfig } from '../engine/container-config.js';
import { containerConfig } from '../engine/engine-bed.js';
import { allCapabilities, availableCapabilities, chooseCapabilities, defaultCapabilities } from './capabilities.js';
import { hostNetworkHostsFile, hostsFile, resolvConf } from './etc-files.js';
import { deviceNumbers } from './machine-facts.js';
import { changedLimits, type OciConfigInput, ociConfig, resourcesOf, systemPaths } from './oci-config.js';
import { defaultSeccomp } from './seccomp-profile.js';

function input(config: Partial<ContainerConfig> = {}, more: Partial<OciConfigInput> = {}): OciConfigInput {
  return {
    config: containerConfig('image', [], config),
    rootfs: '/root',
    args: ['sh'],
    env: [],
    cwd: '/',
    user: { uid: 0, gid: 0, additionalGids: [0], home: '/' },
    hostname: 'box',
    mounts: [],
    network: { kind: 'private' },
    cgroupsPath: '/swarmts/x',
    capabilities: defaultCapabilities,
    ownOomScoreAdj: 0,
    mayLowerOomScore: false,
    swapAccounting: true,
    hostDevices: [],
    ...more,
  };
}

describe('config.json', () => {
  it('lets a mount of the user replace a default one, and mounts parents first', () => {
    const mounts = ['/a/b/c', '/dev/shm', '/a'].map((destination) => ({ destination, type: 'bind', source: '/x' }));
    const all = ociConfig(input({}, { mounts })).mounts.map((m) => m.destination);
    assert.equal(all.filter((d) => d === '/dev/shm').length, 1);
    assert.ok(all.indexOf('/a') < all.indexOf('/a/b/c'));
    assert.ok(all.indexOf('/proc') < all.indexOf('/a'));
  });

  it('has a private network, the one of a path, or the one of the host without its sysctls', () => {
    const network = (kind: OciConfigInput['network']) => ociConfig(input({}, { network: kind }));
    const types = (s: ReturnType<typeof ociConfig>) => s.linux.namespaces.map((n) => n.type);
    assert.deepEqual(types(network({ kind: 'private' })), ['mount', 'pid', 'ipc', 'uts', 'cgroup', 'network']);
    assert.equal(network({ kind: 'path', path: '/n' }).linux.namespaces.at(-1)?.path, '/n');
    const host = network({ kind: 'host' });
    assert.deepEqual([types(host).includes('network'), host.linux.sysctl, host.hostname], [false, {}, 'box']);
  });

  it('is in a user namespace of its own or of another container, with its ids', () => {
    const ranges = [{ containerId: 0, hostId: 5000, size: 100 }];
    const ids = { uids: ranges, gids: ranges };
    const { linux } = ociConfig(input({}, { userns: { ids } }));
    assert.deepEqual(linux.namespaces[0], { type: 'user' });
    assert.deepEqual(linux.gidMappings, [{ containerID: 0, hostID: 5000, size: 100 }]);
    assert.equal(linux.sysctl['net.ipv4.ping_group_range'], '0 99', 'the kernel takes no others');
    const joined = ociConfig(input({}, { userns: { ids, path: '/proc/7/ns/user' } })).linux;
    assert.deepEqual(joined.namespaces[0], { type: 'user', path: '/proc/7/ns/user' });
    assert.deepEqual(joined.uidMappings, linux.uidMappings);
    assert.equal(ociConfig(input()).linux.uidMappings, undefined);
  });

  it('labels the file systems in memory that the runtime mounts', () => {
    const labels = { apparmor: false, selinux: true, fileLabel: 'u:object_r:container_file_t:s0' };
    const labelled = ociConfig(input({ selinuxLabel: 'u:r:t:s0:c1' }, { labels }));
    assert.equal(labelled.linux.mountLabel, 'u:object_r:container_file_t:s0:c1');
    assert.equal(labelled.process.selinuxLabel, 'u:r:t:s0:c1');
    assert.equal(ociConfig(input({}, { labels })).linux.mountLabel, undefined);
  });

  it('takes the seccomp profile, the masks and the device rules away from privileged containers', () => {
    const device = { path: '/dev/x', type: 'c', major: 1, minor: 2, fileMode: 0o600, uid: 0, gid: 0 } as const;
    const spec = ociConfig(input({ privileged: true }, { hostDevices: [device] }));
    assert.deepEqual([spec.linux.seccomp, spec.linux.maskedPaths, spec.linux.readonlyPaths], [undefined, [], []]);
    assert.deepEqual(spec.linux.devices, [device]);
    assert.deepEqual(spec.linux.resources.devices, [{ allow: true, access: 'rwm' }]);
    assert.ok(spec.mounts.find((m) => m.destination === '/sys')?.options?.includes('rw'));
  });

  it('masks what the container names, also with all privileges, and nothing where it names nothing', () => {
    const own = { maskedPaths: ['/proc/kcore'], readonlyPaths: [] };
    for (const privileged of [true, false]) {
      const { maskedPaths, readonlyPaths } = ociConfig(input({ privileged, ...own })).linux;
      assert.deepEqual({ maskedPaths, readonlyPaths }, own);
    }
    assert.deepEqual(systemPaths({ ...input().config, privileged: true }), {});
    assert.deepEqual(ociConfig(input()).linux.maskedPaths, systemPaths(input().config).maskedPaths);
  });

  it('has to say of a limit of processes that it was taken away', () => {
    const base = { nanoCpus: 0, memoryBytes: 0, memoryReservationBytes: 0, pidsLimit: 0 };
    const limited = { ...base, pidsLimit: 9 };
    assert.deepEqual(changedLimits(base, limited, true), { pids: { limit: 9 } });
    assert.deepEqual(changedLimits(base, base, true), {});
    for (const none of [0, -1])
      assert.deepEqual(changedLimits(limited, { ...base, pidsLimit: none }, true), { pids: { limit: 4_194_304 } });
  });

  it('counts CPUs, memory and swap as Docker does', () => {
    const base = { nanoCpus: 0, memoryBytes: 0, memoryReservationBytes: 0, pidsLimit: 0 };
    assert.deepEqual(Object.keys(resourcesOf(base, false, true)), ['devices']);
    const full = resourcesOf(
      { ...base, nanoCpus: 1.5e9, memoryBytes: 100, memoryReservationBytes: 50, pidsLimit: 9, cpuShares: 7 },
      false,
      true,
    );
    assert.deepEqual(full.cpu, { shares: 7, quota: 150_000, period: 100_000 });
    assert.deepEqual(resourcesOf({ ...base, nanoCpus: 1e9, cpuQuotaUs: -1 }, false, true).cpu, { period: 100_000 });
    assert.deepEqual(full.memory, { limit: 100, reservation: 50, swap: 200 });
    assert.deepEqual(full.pids, { limit: 9 });
    assert.equal(resourcesOf({ ...base, memoryBytes: 100, memorySwapBytes: -1 }, false, true).memory?.swap, -1);
    assert.equal(resourcesOf({ ...base, memoryBytes: 100 }, false, false).memory?.swap, undefined);
    assert.equal(
      resourcesOf({ ...base, nanoCpus: 1 }, false, true).cpu?.quota,
      1000,
      'the least that the kernel takes',
    );
  });

  it('asks only for an OOM score that it may set', () => {
    const score = (oomScoreAdj: number, more: Partial<OciConfigInput> = {}) => {
      const resources = { nanoCpus: 0, memoryBytes: 0, memoryReservationBytes: 0, pidsLimit: 0, oomScoreAdj };
      return ociConfig(input({ resources }, more)).process.oomScoreAdj;
    };
    assert.deepEqual([score(100), score(-100), score(-100, { mayLowerOomScore: true })], [100, undefined, -100]);
    assert.equal(ociConfig(input({}, { ownOomScoreAdj: -500 })).process.oomScoreAdj, 0, "not the daemon's");
  });

  it('opens the propagation of the root for shared and slave binds', () => {
    const mounts = (propagation: string) =>
      [{ type: 'bind', source: '/a', target: '/b', readOnly: false, propagation }] as const;
    const of = (p: string) => ociConfig(input({ mounts: mounts(p) })).linux.rootfsPropagation;
    assert.deepEqual([of('rshared'), of('rslave'), of('rprivate')], ['shared', 'slave', undefined]);
  });
});

describe('capabilities', () => {
  const choose = (add: string[], drop: string[], privileged = false) =>
    chooseCapabilities({ add, drop, privileged }, allCapabilities);

  it('are 14 by default, plus and minus what is asked for, in any notation', () => {
    assert.equal(choose([], []).length, 14);
    assert.ok(choose(['net_admin'], []).includes('CAP_NET_ADMIN'));
    assert.ok(!choose([], ['CAP_KILL']).includes('CAP_KILL'));
    assert.deepEqual(choose(['CAP_SYS_TIME'], ['all']), ['CAP_SYS_TIME']);
    assert.equal(choose(['ALL'], ['CAP_KILL']).length, allCapabilities.length - 1);
    assert.equal(choose([], [], true).length, allCapabilities.length);
  });

  it('are never more than this process has', () => {
    assert.deepEqual(chooseCapabilities({ add: ['ALL'], drop: [], privileged: false }, ['CAP_KILL']), ['CAP_KILL']);
    assert.deepEqual(availableCapabilities('CapBnd:\t0000000000000021\n'), ['CAP_CHOWN', 'CAP_KILL']);
  });

  it('must exist', () => {
    assert.throws(
      () => choose(['NOPE'], []),
      (e) =>
        isSwarmtsError(e, 'invalid-argument') &&
        /^invalid Cap(Add|Drop): unknown capability: "CAP_NOPE"$/.test(e.message),
    );
  });
});

describe('the seccomp profile', () => {
  const allowed = (capabilities: string[], arch = 'x64') => {
    const rules = defaultSeccomp(capabilities, arch).syscalls;
    return new Set(rules.filter((r) => r.action === 'SCMP_ACT_ALLOW' && !r.args).flatMap((r) => r.names));
  };

  it('denies what is not listed', () => {
    const names = allowed(defaultCapabilities);
    for (const n of [
      'mount',
      'setns',
      'unshare',
      'bpf',
      'reboot',
      'kexec_load',
      'init_module',
      'swapon',
      'keyctl',
      'add_key',
      'userfaultfd',
      'io_uring_setup',
      'socket',
      'clone',
      'personality',
      'clock_settime',
      'open_by_handle_at',
      'perf_event_open',
    ]) {
      assert.ok(!names.has(n), n);
    }
    for (const n of [
      'read',
      'write',
      'openat',
      'execve',
      'futex',
      'epoll_wait',
      'rseq',
      'chroot',
      'ptrace',
      'statx',
      'arch_prctl',
    ])
      assert.ok(names.has(n), n);
  });

  it('opens calls with their capability only', () => {
    assert.ok(allowed(['CAP_SYS_ADMIN']).has('mount'));
    assert.ok(allowed(['CAP_SYS_BOOT']).has('reboot'));
    assert.ok(!allowed([]).has('chroot'));
    assert.ok(!allowed([], 'arm64').has('arch_prctl'));
  });

  it('lets processes clone, but not into namespaces, and makes clone3 look absent', () => {
    const rules = defaultSeccomp(defaultCapabilities, 'x64').syscalls;
    assert.deepEqual(rules.find((r) => r.names.includes('clone'))?.args, [
      { index: 0, value: 0x7e020000, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' },
    ]);
    assert.equal(rules.find((r) => r.names.includes('clone3'))?.errnoRet, 38);
    assert.equal(
      defaultSeccomp(['CAP_SYS_ADMIN'], 'x64').syscalls.some((r) => r.errnoRet === 38),
      false,
    );
  });
});

describe('the files in /etc', () => {
  it('take host entries in both notations and the gateway of the host', () => {
    const own = { address: '10.0.0.2', names: ['box'], gateway: '10.0.0.1' };
    const text = hostsFile(['192.0.2.1 a b', 'c:192.0.2.2', 'host:host-gateway'], own);
    assert.match(text, /\n192\.0\.2\.1\ta b\n192\.0\.2\.2\tc\n10\.0\.0\.1\thost\n10\.0\.0\.2\tbox\n$/);
    assert.equal(hostNetworkHostsFile('1.1.1.1 x', ['192.0.2.1 a']), '1.1.1.1 x\n192.0.2.1\ta\n');
  });

  it('drop name servers that a container cannot reach, unless it shares the network', () => {
    const host = 'nameserver 127.0.0.53\nnameserver 192.0.2.1\nsearch corp\n';
    assert.match(resolvConf(host, undefined, false), /^nameserver 192\.0\.2\.1\nsearch corp/);
    assert.equal(resolvConf(host, undefined, true), host);
    assert.match(
      resolvConf(host, { servers: ['192.0.2.9'], search: ['.'], options: ['ndots:0'] }, false),
      /^nameserver 192\.0\.2\.9\noptions ndots:0/,
    );
  });
});

describe('device numbers', () => {
  it('are taken apart as glibc does', () => {
    assert.deepEqual(deviceNumbers(0x103), { major: 1, minor: 3 });
    assert.deepEqual(deviceNumbers((259 << 8) | 0x05), { major: 259, minor: 5 });
    assert.deepEqual(deviceNumbers(8 * 256 + 0x100000 + 0x12), { major: 8, minor: 0x112 });
  });
});
