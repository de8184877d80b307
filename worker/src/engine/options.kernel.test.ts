/** Options of containers against a real kernel. Needs root. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isSwarmtsError } from '@swarmts/lib';
import type { ContainerConfig, MountConfig } from './container-config.js';
import {
  busyboxLayer,
  containerConfig,
  EngineBed,
  eventually,
  outputOf,
  runToEnd,
  TestRegistry,
} from './engine-bed.js';

describe('options of containers', function () {
  this.timeout(60_000);
  let bed: EngineBed;
  let registry: TestRegistry;
  let image: string;
  let scratch: string;

  before(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'swarmts-options-'));
    registry = await TestRegistry.start();
    bed = await EngineBed.start();
    image = (await registry.push('busybox', [{ tar: await busyboxLayer() }], { Env: ['PATH=/bin'] })).ref;
    await bed.engine.images.pull(image, {});
  });
  after(async () => {
    await bed.close();
    await registry.close();
    rmSync(scratch, { recursive: true, force: true });
  });

  const run = async (script: string, more: Partial<ContainerConfig> = {}) => {
    const { id, output, code } = await runToEnd(bed.engine, containerConfig(image, ['sh', '-c', script], more));
    await bed.engine.remove(id, { force: true, volumes: true });
    return { output, code };
  };
  const output = async (script: string, more: Partial<ContainerConfig> = {}) => (await run(script, more)).output;
  const mount = (m: Partial<MountConfig>): MountConfig => ({
    type: 'bind',
    source: '',
    target: '/x',
    readOnly: false,
    ...m,
  });
  const refused = (more: Partial<ContainerConfig>, message: RegExp) =>
    assert.rejects(bed.engine.create(containerConfig(image, ['true'], more)), message);

  it('namespaces are shared with the host or with another container', async () => {
    const other = await bed.engine.create(
      containerConfig(image, ['sh', '-c', 'echo mine > /dev/shm/f; sleep 1000'], { ipcMode: 'shareable' }),
    );
    await bed.engine.start(other);
    const from = `container:${other}`;
    assert.match(
      await output('ls /proc | grep -c "^[0-9]"; cat /dev/shm/f', { pidMode: from, ipcMode: from }),
      /^[3-9]\nmine\n$/,
    );
    assert.equal(
      (await output('hostname', { utsMode: 'host' })).trim(),
      readFileSync('/proc/sys/kernel/hostname', 'utf8').trim(),
    );
    assert.equal((await output('test -e /dev/shm || echo none', { ipcMode: 'none' })).trim(), 'none');
    const closed = await bed.engine.create(containerConfig(image, ['sleep', '1000']));
    await bed.engine.start(closed);
    const visitor = await bed.engine.create(containerConfig(image, ['true'], { ipcMode: `container:${closed}` }));
    await assert.rejects(
      bed.engine.start(visitor),
      /non-shareable IPC \(hint: use IpcMode:shareable for the donor container\)/,
    );
    await bed.engine.remove(closed, { force: true, volumes: false });
    await bed.engine.stop(other, 0);
    assert.doesNotMatch(readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(other));
    const joining = await bed.engine.create(containerConfig(image, ['true'], { pidMode: from }));
    await assert.rejects(bed.engine.start(joining), /cannot join PID namespace of a non running container/);
    await refused({ pidMode: 'sometimes' }, /^SwarmtsError: invalid PID mode: sometimes$/);
    await refused({ runtime: 'nosuch' }, /^SwarmtsError: unknown or invalid runtime name: nosuch$/);
    const { runtimes } = bed.engine.info();
    assert.ok(runtimes.includes('runc') && runtimes.includes('crun'), `${runtimes}`);
  });

  it('a container in the network of another sees its interfaces and its names', async () => {
    const other = await bed.engine.create(
      containerConfig(image, ['sleep', '1000'], {
        networkMode: 'local',
        hostname: 'one',
        sysctls: { 'net.ipv4.ip_unprivileged_port_start': '1000' },
      }),
    );
    await bed.engine.start(other);
    const shared = { networkMode: 'local', networkContainer: other } as const;
    assert.match(await output('cat /etc/hosts /etc/hostname', shared), /192\.0\.2\.7\tone[\s\S]*one\n$/);
    assert.equal(await output('hostname; echo $HOSTNAME', shared), 'one\none\n');
    assert.equal(await output('cat /proc/sys/net/ipv4/ip_unprivileged_port_start', shared), '1000\n');
    assert.equal(await output('echo $HOSTNAME', { ...shared, env: ['HOSTNAME=own'] }), 'own\n');
    const between = await bed.engine.create(containerConfig(image, ['sleep', '1000'], { ...shared, name: 'between' }));
    await bed.engine.start(between);
    const through = { networkMode: 'local', networkContainer: 'between' } as const;
    assert.match(await output('cat /etc/hosts; hostname', through), /192\.0\.2\.7\tone[\s\S]*one\n$/);
    const self = await bed.engine.create(
      containerConfig(image, ['true'], { networkMode: 'local', name: 'me', networkContainer: 'me' }),
    );
    await assert.rejects(bed.engine.start(self), /^SwarmtsError: cannot join own network$/);
    await bed.engine.stop(between, 0);
    const late = await bed.engine.create(containerConfig(image, ['true'], through));
    await assert.rejects(bed.engine.start(late), /^SwarmtsError: cannot join network of a non running container: /);
    for (const id of [between, self, late]) await bed.engine.remove(id, { force: true, volumes: false });
    await bed.engine.remove(other, { force: true, volumes: false });
  });

  it('a container in the network of the host has its name, unless it has one of its own', async () => {
    const name = readFileSync('/proc/sys/kernel/hostname', 'utf8');
    assert.equal(await output('hostname; echo $HOSTNAME', { networkMode: 'host' }), `${name}${name}`);
    assert.equal(await output('hostname', { networkMode: 'host', hostname: 'other' }), 'other\n');
    const warnings: string[] = [];
    const ports = [{ protocol: 'tcp', targetPort: 80, publishedPort: 8080 }] as const;
    const config = containerConfig(image, ['true'], { networkMode: 'host', ports });
    const id = await bed.engine.create(config, (w) => warnings.push(w));
    assert.deepEqual(warnings, ['Published ports are discarded when using host network mode']);
    await bed.engine.remove(id, { force: true, volumes: false });
  });

  it('devices and their rules', async () => {
    const device = { hostPath: '/dev/fuse', containerPath: '/dev/mine', permissions: 'r' };
    assert.equal(
      await output('(: < /dev/mine) && echo 1; (: > /dev/mine) 2>&1 | grep -c "not permitted"', {
        devices: [device],
      }),
      '1\n1\n',
    );
    const rules = { deviceRules: ['c 1:11 rwm'], capAdd: ['MKNOD'] };
    assert.equal(await output('busybox mknod /tmp/kmsg c 1 11 && echo made', rules), 'made\n');
    const missing = await bed.engine.create(
      containerConfig(image, ['true'], { devices: [{ ...device, hostPath: '/dev/nosuch' }] }),
    );
    await assert.rejects(
      bed.engine.start(missing),
      /error gathering device information while adding custom device "\/dev\/nosuch": no such file or directory/,
    );
  });

  it('a directory of devices gives all that are below it, and one without any is refused', async () => {
    const device = (hostPath: string) => ({ hostPath, containerPath: '/dev/given', permissions: 'rwm' });
    assert.match(await output('find /dev/given -type c', { devices: [device('/dev/net')] }), /^\/dev\/given\/tun\n$/);
    for (const path of ['/etc', '/etc/passwd']) {
      const what = `error gathering device information while adding custom device "${path}": not a device node`;
      await assert.rejects(run('true', { devices: [device(path)] }), { message: what });
    }
  });

  it('an empty HOME is the home of the user, in a container and its execs', async () => {
    assert.equal(await output('echo $HOME', { env: ['HOME='] }), '/root\n');
    const id = await bed.engine.create(containerConfig(image, ['sleep', '1000']));
    await bed.engine.start(id);
    const exec = await bed.engine.exec(id, ['sh', '-c', 'echo $HOME'], { env: ['HOME='] });
    assert.equal(Buffer.from(exec.stdout).toString(), '/root\n');
    await bed.engine.remove(id, { force: true, volumes: false });
  });

  it('an exec without a terminal knows of none, unless the container says so itself', async () => {
    const termOf = async (env: readonly string[]) => {
      const id = await bed.engine.create(containerConfig(image, ['sleep', '1000'], { tty: true, env }));
      await bed.engine.start(id);
      const { stdout } = await bed.engine.exec(id, ['sh', '-c', 'echo $TERM'], {});
      await bed.engine.remove(id, { force: true, volumes: false });
      return Buffer.from(stdout).toString();
    };
    assert.equal(await termOf([]), '\n');
    assert.equal(await termOf(['TERM=vt100']), 'vt100\n');
  });

  it('nothing is mounted into /proc, but for the files that others put there', async () => {
    await assert.rejects(
      run('true', { mounts: [mount({ source: scratch, target: '/proc/sys' })] }),
      /"\/proc\/sys" cannot be mounted because it is inside \/proc/,
    );
    const file = join(scratch, 'uptime');
    writeFileSync(file, 'long\n');
    assert.equal(
      await output('cat /proc/uptime', { mounts: [mount({ source: file, target: '/proc/uptime' })] }),
      'long\n',
    );
  });

  it('the default filter, compiled for the first container and used by the next ones and their execs', async () => {
    const script = 'grep Seccomp: /proc/self/status; unshare -U true 2>&1 | grep -c "not permitted"; sleep 1000';
    const ids: string[] = [];
    for (let i = 0; i < 2; i++) {
      const id = await bed.engine.create(containerConfig(image, ['sh', '-c', script]));
      await bed.engine.start(id);
      ids.push(id);
      await eventually(
        async () => (await outputOf(bed.engine, id)) === 'Seccomp:\t2\n1\n',
        `container ${i} is confined`,
      );
      const { stdout } = await bed.engine.exec(
        id,
        ['sh', '-c', 'unshare -U true 2>&1; grep Seccomp: /proc/self/status'],
        {},
      );
      assert.match(Buffer.from(stdout).toString(), /not permitted\nSeccomp:\t2\n/);
    }
    const last = JSON.parse(readFileSync(join(bed.execRoot, 'containers', ids[1] ?? '', 'config.json'), 'utf8'));
    const isCrun = bed.engine.info().runtime.endsWith('crun');
    assert.equal('run.oci.seccomp_bpf_data' in (last.annotations ?? {}), isCrun);
    for (const id of ids) await bed.engine.remove(id, { force: true, volumes: false });
  });

  it('a seccomp profile of one’s own', async () => {
    const profile = JSON.stringify({
      defaultAction: 'SCMP_ACT_ALLOW',
      syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO' }],
    });
    assert.equal((await run('mkdir /new 2>/dev/null', { seccompProfile: profile })).code, 1);
    const broken = await bed.engine.create(containerConfig(image, ['true'], { seccompProfile: '{' }));
    await assert.rejects(bed.engine.start(broken), /Decoding seccomp profile failed/);
  });

  it('mounts: made sources, subpaths, options of tmpfs, nothing below the source, volumes of others', async () => {
    const made = join(scratch, 'made/deep');
    await run('touch /x/here', { mounts: [mount({ source: made, bindCreateSource: true })] });
    assert.ok(existsSync(join(made, 'here')));
    await refused({ mounts: [mount({ source: join(scratch, 'nope') })] }, /bind source path does not exist/);
    await refused({ mounts: [mount({ source: scratch, propagation: 'odd' })] }, /invalid propagation mode: odd/);

    const tmpfs = mount({ type: 'tmpfs', tmpfsOptions: ['exec', 'size=1m', 'uid=1000'] });
    assert.match(
      await output('grep " /x " /proc/mounts', { mounts: [tmpfs] }),
      /rw,nosuid,nodev,[^ ]*size=1024k[^ ]*uid=1000/,
    );
    const shown = async (isListed: boolean) => {
      const id = await bed.engine.create(containerConfig(image, ['true'], { mounts: [{ ...tmpfs, isListed }] }));
      return bed.engine.find(id)?.mounts?.length;
    };
    assert.deepEqual([await shown(true), await shown(false)], [1, 0], 'those of --tmpfs are settings alone');
    await refused(
      { mounts: [mount({ type: 'tmpfs', tmpfsOptions: ['nonsense'] })] },
      /invalid tmpfs option "nonsense"/,
    );

    const shared = { mounts: [mount({ type: 'tmpfs', tmpfsOptions: ['shared'] })] };
    assert.match(await output('grep " /x " /proc/self/mountinfo', shared), / shared:\d+ /);

    const volume = mount({ type: 'volume', source: 'shared', target: '/v' });
    const owner = await bed.engine.create(
      containerConfig(image, ['sh', '-c', 'mkdir /v/sub; echo x > /v/sub/f'], { mounts: [volume] }),
    );
    await bed.engine.start(owner);
    await bed.engine.wait(owner);
    assert.equal(await output('cat /y/f', { mounts: [{ ...volume, target: '/y', volumeSubpath: 'sub' }] }), 'x\n');
    await refused(
      { mounts: [{ ...volume, volumeSubpath: '../..' }] },
      /subpath must be a relative path within the volume/,
    );
    await refused({ mounts: [{ ...volume, source: 'new', volumeDriver: 'odd' }] }, /plugin "odd" not found/);
    const from = await output('cat /v/sub/f; touch /v/no 2>&1 | grep -c Read-only', { volumesFrom: [`${owner}:ro`] });
    assert.equal(from, 'x\n1\n');
    await assert.rejects(
      bed.engine.create(containerConfig(image, ['true'], { volumesFrom: ['nobody'] })),
      (e) => isSwarmtsError(e, 'invalid-argument') && e.message === 'No such container: nobody',
    );
    await refused({ volumesFrom: [`${owner}:zz`] }, /^SwarmtsError: invalid mode: zz$/);
    await refused(
      { mounts: [{ ...volume, target: 'rel' }] },
      /for type "volume": invalid mount path: 'rel' mount path/,
    );
    await bed.engine.remove(owner, { force: true, volumes: false });
    await bed.engine.volumes.remove('shared', false);
  });

  it('what is mounted below a read-only mount is read-only, unless somebody says otherwise', async () => {
    const source = join(scratch, 'top');
    mkdirSync(join(source, 'below'), { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', 'below', join(source, 'below')]);
    try {
      const written = async (more: Partial<MountConfig>) => {
        const script = 'for d in /x /x/below; do touch $d/f 2>/dev/null && echo $d; done; true';
        return (await output(script, { mounts: [mount({ source, readOnly: true, ...more })] })).trim();
      };
      assert.equal(await written({}), '');
      assert.equal(await written({ bindReadOnlyForceRecursive: true }), '');
      assert.equal(await written({ bindReadOnlyNonRecursive: true }), '/x/below');
      const file = mount({ source: '/etc/hostname', readOnly: true, bindReadOnlyForceRecursive: true });
      assert.equal(await output('echo x 2>/dev/null > /x || echo refused', { mounts: [file] }), 'refused\n');
      assert.equal(await written({ readOnly: false }), '/x\n/x/below');
      await refused(
        { mounts: [mount({ source, bindReadOnlyForceRecursive: true, bindReadOnlyNonRecursive: true })] },
        /mount options conflict: ReadOnlyNonRecursive && ReadOnlyForceRecursive$/,
      );
    } finally {
      execFileSync('umount', [join(source, 'below')]);
    }
  });

  it('a volume without a name goes with the last container that has it', async () => {
    const mounts = [mount({ type: 'volume', target: '/v' })];
    const parent = await bed.engine.create(containerConfig(image, ['true'], { mounts }));
    const child = await bed.engine.create(containerConfig(image, ['true'], { volumesFrom: [parent] }));
    const left = async () => (await bed.engine.volumes.list()).length;
    const before = await left();
    await bed.engine.remove(parent, { force: false, volumes: true });
    assert.equal(await left(), before);
    await bed.engine.remove(child, { force: false, volumes: true });
    assert.equal(await left(), before - 1);
  });

  it('a stop signal is told of where it is not the usual one', async () => {
    const { ref } = await registry.push('stops', [{ tar: await busyboxLayer() }], {
      StopSignal: 'SIGKILL',
      Cmd: ['true'],
    });
    await bed.engine.images.pull(ref, {});
    const signalOf = async (from: string, more: Partial<ContainerConfig> = {}) => {
      const id = await bed.engine.create(containerConfig(from, ['true'], more));
      const { stopSignal } = bed.engine.find(id) ?? {};
      await bed.engine.remove(id, { force: true, volumes: false });
      return stopSignal;
    };
    assert.deepEqual([await signalOf(ref), await signalOf(image)], ['SIGKILL', '']);
    assert.equal(await signalOf(ref, { stopSignal: 'SIGINT' }), 'SIGINT');
  });

  it('a container finds the file that marks containers and the table of its mounts, and has not changed anything by them', async () => {
    const id = await bed.engine.create(
      containerConfig(image, ['sh', '-c', 'test -f /.dockerenv && grep -q " /proc " /etc/mtab && echo marked']),
    );
    await bed.engine.start(id);
    await eventually(async () => (await outputOf(bed.engine, id)) === 'marked\n', 'it is marked');
    assert.deepEqual(await bed.engine.changes(id), []);
    await bed.engine.remove(id, { force: true, volumes: false });
    const link = { name: '.dockerenv', type: 'symlink', linkname: `${scratch}/led-out` } as const;
    const hostile = await registry.push('marked', [{ tar: await busyboxLayer([link]) }], { Env: ['PATH=/bin'] });
    await bed.engine.images.pull(hostile.ref, {});
    const own = await runToEnd(bed.engine, containerConfig(hostile.ref, ['true']));
    assert.deepEqual([own.code, existsSync(join(scratch, 'led-out'))], [0, false]);
    await bed.engine.remove(own.id, { force: true, volumes: false });
  });

  it('a bind mount is refused a propagation that its source does not have', async () => {
    const mounts = [mount({ source: scratch, propagation: 'rshared' })];
    const isShared = /shared:\d+/.test(readFileSync('/proc/self/mountinfo', 'utf8').split('\n')[0] ?? '');
    const id = await bed.engine.create(containerConfig(image, ['true'], { mounts }));
    if (isShared) await bed.engine.start(id);
    else
      await assert.rejects(
        bed.engine.start(id),
        /^SwarmtsError: path \S+ is mounted on \S+ but it is not a shared mount$/,
      );
    await bed.engine.remove(id, { force: true, volumes: false });
  });

  it('a bind mount of what the engine keeps does not hold the mounts of other containers', async () => {
    const source = join(bed.dir, 'data');
    const mount = (propagation?: string) =>
      ({ type: 'bind', source, target: '/kept', readOnly: true, ...(propagation ? { propagation } : {}) }) as const;
    const isShared = /shared:\d+/.test(readFileSync('/proc/self/mountinfo', 'utf8').split('\n')[0] ?? '');
    const id = await bed.engine.create(containerConfig(image, ['true'], { mounts: [mount()] }));
    assert.equal(bed.engine.find(id)?.mounts?.[0]?.propagation, isShared ? 'rslave' : undefined);
    await assert.rejects(
      bed.engine.create(containerConfig(image, ['true'], { mounts: [mount('private')] })),
      /must use either propagation mode "rslave" or "rshared" when mount source is within the daemon root/,
    );
    await bed.engine.remove(id, { force: true, volumes: true });
  });

  it('containers are found by the beginnings of their ids that no others have', async () => {
    const ids: string[] = [];
    // Seventeen ids have two that begin alike.
    for (let i = 0; i < 17; i++) ids.push(await bed.engine.create(containerConfig(image, ['true'])));
    const first = ids.map((id) => id[0] ?? '').sort();
    const twice = first.find((c, i) => first[i + 1] === c) ?? '';
    assert.throws(() => bed.engine.find(twice), { message: `Multiple IDs found with provided prefix: ${twice}` });
    assert.equal(bed.engine.find((ids[0] ?? '').slice(0, 20))?.id, ids[0]);
    for (const id of ids) await bed.engine.remove(id, { force: true, volumes: false });
  });

  it('masked paths can be opened, annotations are taken', async () => {
    assert.equal(
      await output('test -s /proc/interrupts || head -c 4 /proc/interrupts | wc -c', {
        maskedPaths: [],
        readonlyPaths: [],
        annotations: { a: 'b' },
      }),
      '4\n',
    );
  });

  it('devices by their CDI names', async () => {
    await assert.rejects(
      run('true', { cdiDevices: ['vendor.test/gpu=none'] }),
      /CDI device injection failed: unresolvable CDI devices vendor\.test\/gpu=none/,
    );
    mkdirSync('/var/run/cdi', { recursive: true });
    const file = `/var/run/cdi/swarmts-test-${process.pid}.yaml`;
    writeFileSync(
      file,
      'cdiVersion: 0.6.0\nkind: vendor.test/gpu\ncontainerEdits: {env: [GPU=all]}\ndevices:\n  - name: one\n    containerEdits:\n      deviceNodes: [{path: /dev/gpu1, hostPath: /dev/zero}]\n',
    );
    try {
      assert.equal(
        await output('head -c 2 /dev/gpu1 | wc -c; echo $GPU', { cdiDevices: ['vendor.test/gpu=one'] }),
        '2\nall\n',
      );
    } finally {
      rmSync(file);
    }
  });
});
