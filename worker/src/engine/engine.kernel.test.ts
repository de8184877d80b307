/** The engine with real images, runc, conmon, overlayfs and cgroups. Needs root. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isSwarmtsError } from '@swarmts/lib';
import type { ContainerConfig } from './container-config.js';
import type { EngineEvent } from './engine-api.js';
import {
  allLogs,
  busyboxLayer,
  collect,
  containerConfig,
  EngineBed,
  eventually,
  outputOf,
  runToEnd,
  TestRegistry,
} from './engine-bed.js';

describe('the container engine', function () {
  this.timeout(60_000);
  let bed: EngineBed;
  let registry: TestRegistry;
  let image: string;
  let scratch: string;

  before(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'swarmts-scratch-'));
    registry = await TestRegistry.start();
    bed = await EngineBed.start();
    const layer = await busyboxLayer([
      { name: 'content/', type: 'directory', mode: 0o750, uid: 1000, gid: 50 },
      { name: 'content/file', content: 'from the image\n', mode: 0o640, uid: 1000, gid: 1000 },
      { name: 'bin/plain-file', content: 'not executable', mode: 0o644 },
    ]);
    const pushed = await registry.push('busybox', [{ tar: layer }], {
      Cmd: ['sh'],
      Env: ['PATH=/bin', 'A=image', 'B=image'],
      Labels: { from: 'image' },
    });
    image = pushed.ref;
    await bed.engine.images.pull(image, {});
  });

  after(async () => {
    await bed.close();
    await registry.close();
    rmSync(scratch, { recursive: true, force: true });
  });

  const run = (cmd: string, more: Partial<ContainerConfig> = {}) =>
    runToEnd(bed.engine, containerConfig(image, ['sh', '-c', cmd], more));

  async function started(cmd: readonly string[], more: Partial<ContainerConfig> = {}): Promise<string> {
    const id = await bed.engine.create(containerConfig(image, cmd, more));
    await bed.engine.start(id);
    return id;
  }

  describe('lifecycle', () => {
    it('runs a pulled image to its end and keeps output and exit code', async () => {
      const { id, code, output } = await run('echo out; echo err >&2; exit 7');
      assert.equal(output, 'out\n');
      assert.equal(code, 7);
      const entries = await collect(bed.engine.logs(id, allLogs));
      assert.deepEqual(entries.map((e) => [e.stream, e.line.toString()]).sort(), [
        ['stderr', 'err\n'],
        ['stdout', 'out\n'],
      ]);
      const info = bed.engine.find(id);
      assert.equal(info?.state, 'exited');
      assert.deepEqual([info?.exit?.error, info?.exit?.oomKilled, info?.pid], ['', false, 0]);
    });

    it('starts an exited container again and keeps its files', async () => {
      const id = await bed.engine.create(containerConfig(image, ['sh', '-c', 'echo x >> /count; wc -l < /count']));
      for (const expected of ['1\n', '1\n2\n']) {
        await bed.engine.start(id);
        await bed.engine.wait(id);
        assert.equal(await outputOf(bed.engine, id), expected);
      }
      // Only what the restart policy does is counted.
      assert.equal(bed.engine.find(id)?.restartCount, 0);
    });

    it('reports 127 for a command that does not exist, in the words of Docker', async () => {
      const id = await bed.engine.create(containerConfig(image, ['nosuch']));
      await assert.rejects(bed.engine.start(id), (e) => {
        assert.ok(isSwarmtsError(e, 'invalid-argument'));
        assert.match(
          e.message,
          /^failed to create task for container: .*exec: "nosuch": executable file not found in \$PATH: unknown$/,
        );
        return true;
      });
      const info = bed.engine.find(id);
      assert.equal(info?.state, 'created');
      assert.equal(info?.exit?.exitCode, 127);
      assert.match(info?.exit?.error ?? '', /not found in \$PATH/);
      assert.deepEqual(
        readdirSync(join(bed.execRoot, 'containers')).filter((n) => n === id),
        [],
      );
    });

    it('reports 126 for a command that cannot be executed', async () => {
      const id = await bed.engine.create(containerConfig(image, ['/bin/plain-file']));
      await assert.rejects(bed.engine.start(id), /permission denied/);
      assert.equal(bed.engine.find(id)?.exit?.exitCode, 126);
    });

    it('stops with the stop signal first and SIGKILL after the grace period', async () => {
      const polite = await started(['sh', '-c', 'trap "exit 3" TERM; echo ready; while :; do sleep 0.05; done']);
      const deaf = await started(['sh', '-c', 'trap "" TERM; echo ready; while :; do sleep 0.05; done']);
      for (const id of [polite, deaf])
        await eventually(async () => (await outputOf(bed.engine, id)) === 'ready\n', 'it is ready');
      await Promise.all([bed.engine.stop(polite, 10), bed.engine.stop(deaf, 0)]);
      assert.equal(bed.engine.find(polite)?.exit?.exitCode, 3);
      assert.equal(bed.engine.find(deaf)?.exit?.exitCode, 137);
      await bed.engine.stop(polite);
    });

    it('uses the stop signal that was asked for', async () => {
      const cmd = 'trap "exit 4" USR1; echo ready; while :; do sleep 0.05; done';
      const id = await started(['sh', '-c', cmd], { stopSignal: 'SIGUSR1' });
      await eventually(async () => (await outputOf(bed.engine, id)) === 'ready\n', 'it is ready');
      await bed.engine.stop(id, 10);
      assert.equal(bed.engine.find(id)?.exit?.exitCode, 4);
    });

    it('pauses and goes on', async () => {
      const id = await started(['sleep', '1000']);
      await bed.engine.pause(id);
      assert.equal(bed.engine.find(id)?.state, 'paused');
      await assert.rejects(bed.engine.exec(id, ['true'], {}), /is paused/);
      await bed.engine.unpause(id);
      assert.equal((await bed.engine.exec(id, ['true'], {})).code, 0);
      await bed.engine.pause(id);
      await bed.engine.stop(id, 0);
      assert.equal(bed.engine.find(id)?.state, 'exited');
    });

    it('refuses to remove a running container unless forced, and then leaves nothing', async () => {
      const config = containerConfig(image, ['sleep', '1000']);
      const id = await bed.engine.create(config);
      await bed.engine.start(id);
      const pid = bed.engine.find(id)?.pid ?? 0;
      await assert.rejects(bed.engine.remove(id, { force: false, volumes: false }), (e) =>
        isSwarmtsError(e, 'conflict'),
      );
      await bed.engine.remove(id, { force: true, volumes: false });
      assert.equal(bed.engine.find(id), undefined);
      assert.equal(existsSync(`/proc/${pid}`), false);
      assert.equal(existsSync(join(bed.dataRoot, 'containers', id)), false);
      assert.equal(existsSync(join(bed.execRoot, 'containers', id)), false);
      assert.equal(existsSync(join('/sys/fs/cgroup/memory', bed.cgroupParent, id)), false);
      assert.doesNotMatch(readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(id));
    });

    it('keeps names unique and says who has one', async () => {
      const config = containerConfig(image, ['true']);
      assert.equal(bed.engine.isNameTaken(config.name), false);
      const creation = bed.engine.create(config);
      assert.equal(bed.engine.isNameTaken(config.name), true, 'from when its creation begins');
      const id = await creation;
      await assert.rejects(bed.engine.create(config), (e) => {
        assert.ok(isSwarmtsError(e, 'conflict'));
        assert.match(
          e.message,
          new RegExp(`^Conflict. The container name "/${config.name}" is already in use by container "${id}"`),
        );
        return true;
      });
      await bed.engine.remove(id, { force: false, volumes: false });
      await bed.engine.remove(await bed.engine.create(config), { force: false, volumes: false });
    });

    it('finds containers by name, id and unique prefix', async () => {
      const config = containerConfig(image, ['true']);
      const id = await bed.engine.create(config);
      for (const text of [id, config.name, `/${config.name}`, id.slice(0, 16)])
        assert.equal(bed.engine.find(text)?.id, id);
      assert.equal(bed.engine.find('nosuch'), undefined);
      await assert.rejects(bed.engine.start('nosuch'), /^SwarmtsError: No such container: nosuch$/);
    });

    it('tells what happens as events', async () => {
      const events: EngineEvent[] = [];
      const unsubscribe = bed.engine.onEvent((e) => events.push(e));
      const { id } = await run('exit 5');
      await bed.engine.remove(id, { force: false, volumes: false });
      unsubscribe();
      const mine = events.filter((e) => e.id === id);
      assert.deepEqual(
        mine.map((e) => e.action),
        ['create', 'start', 'die', 'destroy'],
      );
      assert.equal(mine[2]?.attributes.exitCode, '5');
      assert.equal(mine[0]?.attributes.from, 'image');
    });

    it('leaves nothing behind when a creation fails', async () => {
      const before = readdirSync(join(bed.dataRoot, 'containers'));
      const mounts = [
        { type: 'volume', source: 'would-be-new', target: '/a', readOnly: false },
        { type: 'bind', source: join(scratch, 'missing'), target: '/b', readOnly: false },
      ] as const;
      await assert.rejects(
        bed.engine.create(containerConfig(image, ['true'], { mounts })),
        new RegExp(`invalid mount config for type "bind": bind source path does not exist: ${scratch}/missing`),
      );
      await assert.rejects(bed.engine.create(containerConfig('nosuch:image', ['true'])), /No such image: nosuch:image/);
      await assert.rejects(
        bed.engine.create(containerConfig(image, ['true'], { name: 'bad name' })),
        /Invalid container name/,
      );
      assert.deepEqual(readdirSync(join(bed.dataRoot, 'containers')), before);
      assert.equal(await bed.engine.volumes.find('would-be-new'), undefined);
    });
  });

  describe('the process', () => {
    it('gets its environment in the order of Docker', async () => {
      const config = containerConfig(image, ['env'], { env: ['C=own', 'A=own'], hostname: 'box' });
      const { output } = await runToEnd(bed.engine, config);
      const names = output.split('\n').filter((l) => /^(PATH|HOSTNAME|A|B|C)=/.test(l));
      assert.deepEqual(names, ['PATH=/bin', 'HOSTNAME=box', 'C=own', 'A=own', 'B=image']);
      assert.match(output, /^HOME=\/root$/m);
    });

    it('runs as the user with the groups of the image, or as a number', async () => {
      assert.equal(
        (await run('id', { user: 'alice' })).output,
        'uid=1000(alice) gid=1000(alice) groups=50(staff),1000(alice)\n',
      );
      assert.equal((await run('id -u; id -g', { user: '4711:815' })).output, '4711\n815\n');
      const id = await bed.engine.create(containerConfig(image, ['true'], { user: 'bob' }));
      await assert.rejects(bed.engine.start(id), /unable to find user bob: no matching entries in passwd file/);
    });

    it('starts in a working directory that is made for it', async () => {
      assert.equal((await run('pwd', { workingDir: '/made/for/it' })).output, '/made/for/it\n');
    });

    it('has the capabilities, masks and limits of Docker by default', async () => {
      const { output } = await run(
        'grep -E "^(CapEff|CapBnd|Seccomp|NoNewPrivs):" /proc/self/status; cat /proc/kcore | wc -c; touch /sys/x || echo ro',
        { noNewPrivileges: true },
      );
      assert.match(output, /CapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\nNoNewPrivs:\t1\nSeccomp:\t2\n0\n/);
      assert.match(output, /ro\n$/);
    });

    it('cannot make namespaces without the capability, and can with it', async () => {
      assert.notEqual((await run('unshare -U true')).code, 0);
      assert.equal((await run('unshare -n true', { capAdd: ['SYS_ADMIN'] })).code, 0);
    });

    it('has no capability when all are dropped', async () => {
      const { output } = await run('grep CapEff /proc/self/status', { capDrop: ['ALL'] });
      assert.equal(output, 'CapEff:\t0000000000000000\n');
      const { output: one } = await run('grep CapEff /proc/self/status', { capDrop: ['ALL'], capAdd: ['NET_ADMIN'] });
      assert.equal(one, 'CapEff:\t0000000000001000\n');
    });

    it('sees a read-only root when asked for', async () => {
      assert.equal((await run('touch /x 2>/dev/null && echo rw || echo ro', { readOnlyRootfs: true })).output, 'ro\n');
    });

    it('has its resource limits in the cgroup', async () => {
      const resources = {
        nanoCpus: 0.5e9,
        memoryBytes: 64 << 20,
        memoryReservationBytes: 32 << 20,
        pidsLimit: 77,
        ulimits: [{ name: 'nofile', soft: 100, hard: 200 }],
      };
      const { id, output } = await run(
        'ulimit -n; ulimit -Hn; cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/cpu/cpu.cfs_quota_us',
        { resources },
      );
      assert.equal(output, `100\n200\n${64 << 20}\n77\n50000\n`);
      assert.equal(bed.engine.find(id)?.exit?.oomKilled, false);
    });

    it('is killed when it takes too much memory, and that is said', async () => {
      const resources = {
        nanoCpus: 0,
        memoryBytes: 8 << 20,
        memoryReservationBytes: 0,
        memorySwapBytes: 8 << 20,
        pidsLimit: 0,
      };
      const events: string[] = [];
      const unsubscribe = bed.engine.onEvent((e) => events.push(e.action));
      const { id, code } = await runToEnd(
        bed.engine,
        containerConfig(image, ['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=64M'], { resources }),
      );
      unsubscribe();
      assert.equal(code, 137);
      assert.equal(bed.engine.find(id)?.exit?.oomKilled, true);
      assert.ok(events.includes('oom'));
    });

    it('tells that it wants memory as soon as it does, and once', async () => {
      const resources = {
        nanoCpus: 0,
        memoryBytes: 8 << 20,
        memoryReservationBytes: 0,
        memorySwapBytes: 8 << 20,
        pidsLimit: 0,
      };
      const events: string[] = [];
      const unsubscribe = bed.engine.onEvent((e) => events.push(e.action));
      const child = 'dd if=/dev/zero of=/dev/null bs=64M; exec sleep 1000';
      const id = await bed.engine.create(containerConfig(image, ['sh', '-c', child], { resources }));
      await bed.engine.start(id);
      await eventually(() => events.includes('oom'), 'the container has told of it');
      assert.deepEqual([bed.engine.find(id)?.state, bed.engine.find(id)?.oomKilled], ['running', true]);
      await bed.engine.kill(id, 'KILL');
      const exit = await bed.engine.wait(id);
      unsubscribe();
      assert.deepEqual([exit.oomKilled, events.filter((a) => a === 'oom').length], [true, 1]);
      await bed.engine.start(id);
      assert.equal(bed.engine.find(id)?.oomKilled, false);
    });

    it('has its names in /etc and the name servers of the engine', async () => {
      const { output } = await run('hostname; cat /etc/hostname /etc/hosts /etc/resolv.conf', {
        hostname: 'box',
        networkMode: 'local',
        extraHosts: ['192.0.2.9 other', 'third:192.0.2.10'],
      });
      assert.match(output, /^box\nbox\n127\.0\.0\.1\tlocalhost\n/);
      assert.match(
        output,
        /\n192\.0\.2\.9\tother\n192\.0\.2\.10\tthird\n192\.0\.2\.7\tbox\nnameserver 192\.0\.2\.53\n$/,
      );
    });

    it('gets a terminal when asked for', async () => {
      const { output } = await run('test -t 1 && echo tty; env | grep TERM', { tty: true });
      assert.equal(output, 'tty\r\nTERM=xterm\r\n');
    });

    it('says how to install an init when there is none', async () => {
      const id = await bed.engine.create(containerConfig(image, ['true'], { init: true }));
      await bed.engine.close();
      await bed.open({ initPath: join(scratch, 'no-init') });
      await assert.rejects(bed.engine.start(id), /no init for containers .* apt install tini/);
      await bed.engine.close();
      await bed.open();
    });

    it('may be privileged', async () => {
      const { output } = await run(
        'grep -c Seccomp:.2 /proc/self/status; touch /sys/fs/cgroup/x 2>/dev/null; ls /dev | grep -c loop-control',
        { privileged: true },
      );
      assert.match(output, /^0\n[01]\n$/);
    });
  });

  describe('mounts and files', () => {
    it('fills an empty named volume from the image once, owners and modes included', async () => {
      const mounts = [{ type: 'volume', source: 'filled', target: '/content', readOnly: false }] as const;
      const { output } = await run(
        'stat -c "%a %u %g" /content /content/file; cat /content/file; echo more > /content/new',
        { mounts },
      );
      assert.equal(output, '750 1000 50\n640 1000 1000\nfrom the image\n');
      await run('echo changed > /content/file', { mounts });
      const second = await run('cat /content/file /content/new', { mounts });
      assert.equal(second.output, 'changed\nmore\n');
    });

    it('leaves a volume empty when copying is not wanted', async () => {
      const mounts = [
        { type: 'volume', source: 'nocopy', target: '/content', readOnly: false, volumeNoCopy: true },
      ] as const;
      assert.equal((await run('ls /content', { mounts })).output, '');
    });

    it('removes anonymous volumes with their container when asked, and refuses those in use', async () => {
      const mounts = [{ type: 'volume', source: '', target: '/anonymous', readOnly: false }] as const;
      const id = await bed.engine.create(containerConfig(image, ['true'], { mounts }));
      const volume = bed.engine.find(id)?.mounts?.[0]?.source ?? '';
      assert.match(volume, /^[0-9a-f]{64}$/);
      await assert.rejects(
        bed.engine.volumes.remove(volume, false),
        new RegExp(`remove ${volume}: volume is in use - \\[${id}\\]`),
      );
      await bed.engine.remove(id, { force: false, volumes: true });
      assert.equal(await bed.engine.volumes.find(volume), undefined);
    });

    it('binds host paths, read-only when asked', async () => {
      writeFileSync(join(scratch, 'shared'), 'host\n');
      const bind = { type: 'bind', source: scratch, target: '/host' } as const;
      const { output } = await run('cat /host/shared; touch /host/x 2>/dev/null || echo ro', {
        mounts: [{ ...bind, readOnly: true }],
      });
      assert.equal(output, 'host\nro\n');
      await run('echo written > /host/x', { mounts: [{ ...bind, readOnly: false }] });
      assert.equal(readFileSync(join(scratch, 'x'), 'utf8'), 'written\n');
    });

    it('mounts a tmpfs with size and mode', async () => {
      const mounts = [
        { type: 'tmpfs', source: '', target: '/t', readOnly: false, tmpfsSizeBytes: 1 << 20, tmpfsMode: 0o1700 },
      ] as const;
      const { output } = await run('stat -c %a /t; grep " /t " /proc/mounts', { mounts });
      assert.match(output, /^1700\ntmpfs \/t tmpfs rw,nosuid,nodev,noexec,relatime,size=1024k,mode=1700/);
    });

    it('uses a volume that is a file system of its own only while a container runs', async () => {
      const options = { type: 'tmpfs', device: 'tmpfs', o: 'size=1m,nosuid' };
      const { mountpoint } = await bed.engine.volumes.create({ name: 'fsvolume', options });
      const mounts = [{ type: 'volume', source: 'fsvolume', target: '/v', readOnly: false }] as const;
      const { output } = await run('grep " /v " /proc/mounts', { mounts });
      assert.match(output, /^tmpfs \/v tmpfs rw,nosuid.*size=1024k/);
      await eventually(() => !readFileSync('/proc/self/mountinfo', 'utf8').includes(mountpoint), 'it is unmounted');
    });

    it('injects files that never touch the disk', async () => {
      const secret = 'very-secret-content';
      const files = [{ path: '/run/secrets/s', content: Buffer.from(secret), uid: 1000, gid: 50, mode: 0o400 }];
      const { id, output } = await run('cat /run/secrets/s; stat -c " %a %u %g" /run/secrets/s', { files });
      assert.equal(output, `${secret} 400 1000 50\n`);
      assert.doesNotMatch(readFileSync(join(bed.dataRoot, 'containers', id, 'state.json'), 'utf8'), new RegExp(secret));
      assert.equal(bed.engine.find(id)?.config.files?.[0]?.content.length, 0);
      const mounted = join(bed.execRoot, 'files', id);
      assert.equal(statSync(join(mounted, '0')).size, secret.length);
      await bed.engine.remove(id, { force: false, volumes: false });
      assert.equal(existsSync(mounted), false);
    });
  });

  describe('exec and health', () => {
    it('runs commands in the container with its environment and as another user', async () => {
      const id = await started(['sleep', '1000'], { env: ['X=1'] });
      const result = await bed.engine.exec(id, ['sh', '-c', 'echo $X $Y; id -u; echo oops >&2; exit 9'], {
        env: ['Y=2'],
        user: 'alice',
      });
      assert.deepEqual([result.code, result.stdout.toString(), result.stderr.toString()], [9, '1 2\n1000\n', 'oops\n']);
      await bed.engine.stop(id, 0);
      await assert.rejects(bed.engine.exec(id, ['true'], {}), /is not running/);
    });

    it('kills a command that takes too long, inside of the container too', async () => {
      const id = await started(['sleep', '1000']);
      const seconds = String(1000 + Math.floor(Math.random() * 1e9));
      const alive = () => readdirSync('/proc').some((pid) => commandLineOf(pid) === `sleep\0${seconds}\0`);
      const long = bed.engine.exec(id, ['sleep', seconds], { timeoutMs: 1_000 });
      await eventually(alive, 'the command runs');
      await assert.rejects(long, (e) => isSwarmtsError(e, 'timeout'));
      await eventually(() => !alive(), 'the command is gone');
      await bed.engine.stop(id, 0);
    });

    it('turns healthy, and unhealthy after enough failures', async () => {
      const health = {
        test: ['CMD-SHELL', 'test -e /ok || { echo no; false; }'],
        intervalNs: 50e6,
        timeoutNs: 5e9,
        startPeriodNs: 0,
        startIntervalNs: 50e6,
        retries: 2,
      };
      const statuses: string[] = [];
      const unsubscribe = bed.engine.onEvent((e) => {
        if (e.action.startsWith('health_status')) statuses.push(e.action);
      });
      const id = await started(['sh', '-c', 'touch /ok; sleep 1000'], { health });
      await eventually(() => bed.engine.find(id)?.health === 'healthy', 'it is healthy');
      await bed.engine.exec(id, ['sh', '-c', 'cd /; busybox rm ok'], {});
      await eventually(() => bed.engine.find(id)?.health === 'unhealthy', 'it is unhealthy');
      assert.deepEqual(statuses, ['health_status: healthy', 'health_status: unhealthy']);
      assert.match(bed.engine.find(id)?.healthLog?.at(-1)?.output ?? '', /^no\n/);
      await eventually(() => (bed.engine.find(id)?.healthFailingStreak ?? 0) > 3, 'it stays so');
      await bed.engine.stop(id, 0);
      unsubscribe();
      const { health: left, healthLog, healthFailingStreak = 0 } = bed.engine.find(id) ?? {};
      assert.deepEqual([left, healthLog?.at(-1)?.exitCode], ['unhealthy', 1], 'what was seen of it is kept');
      assert.ok(healthFailingStreak > 3, `the last ${healthFailingStreak} failures too`);
      const never = await bed.engine.create(containerConfig(image, ['nosuch'], { health }));
      await assert.rejects(bed.engine.start(never), /executable file not found/);
      assert.equal(bed.engine.find(never)?.health, 'none', 'nobody has asked what has never run');
    });
  });

  describe('logs', () => {
    it('gives the last lines, and only those of a stream or a time', async () => {
      const { id } = await run('for i in 1 2 3 4 5; do echo line $i; sleep 0.02; done; echo err >&2');
      assert.equal(await outputOf(bed.engine, id, { tail: 3 }), 'line 4\nline 5\n');
      assert.equal(await outputOf(bed.engine, id, { tail: 0 }), '');
      const all = await collect(bed.engine.logs(id, { ...allLogs, stderr: false }));
      const third = all[2]?.timeNs ?? 0n;
      assert.equal(await outputOf(bed.engine, id, { sinceNs: third }), 'line 3\nline 4\nline 5\n');
      assert.equal(await outputOf(bed.engine, id, { untilNs: third }), 'line 1\nline 2\nline 3\n');
    });

    it('follows until the container ends', async () => {
      const id = await started(['sh', '-c', 'for i in 1 2 3; do echo $i; sleep 0.1; done']);
      assert.equal(await outputOf(bed.engine, id, { follow: true }), '1\n2\n3\n');
    });

    it('rotates and compresses without losing a line, under a follower', async () => {
      const log = { driver: 'json-file', options: { 'max-size': '20000', 'max-file': '50', compress: 'true' } };
      const burst = 'n=$((i+10000)); while [ $i -lt $n ]; do i=$((i+1)); echo line $i; done; sleep 1.1;';
      const cmd = `i=0; ${burst.repeat(3)} echo end`;
      const id = await started(['sh', '-c', cmd], { log });
      const followed = await outputOf(bed.engine, id, { follow: true });
      const expected = `${Array.from({ length: 30000 }, (_, i) => `line ${i + 1}\n`).join('')}end\n`;
      assert.equal(followed.length, expected.length);
      assert.equal(followed, expected);
      assert.equal(await outputOf(bed.engine, id), expected);
      assert.equal(await outputOf(bed.engine, id, { tail: 2 }), 'line 30000\nend\n');
      const files = readdirSync(join(bed.dataRoot, 'containers', id, 'logs'));
      assert.ok(files.filter((f) => f.endsWith('.gz')).length > 1, `it was compressed: ${files}`);
    });

    it('keeps no more files than wanted', async () => {
      const log = { driver: 'json-file', options: { 'max-size': '1000', 'max-file': '2' } };
      const id = await started(['sh', '-c', 'while :; do echo some line of output; sleep 0.01; done'], { log });
      const logs = join(bed.dataRoot, 'containers', id, 'logs');
      const inode = () => statSync(join(logs, 'container.log'), { throwIfNoEntry: false })?.ino;
      const first = inode();
      await eventually(() => inode() !== undefined && inode() !== first, 'a first rotation');
      const second = inode();
      await eventually(() => inode() !== undefined && inode() !== second, 'a second rotation');
      await bed.engine.stop(id, 0);
      assert.deepEqual(readdirSync(logs).sort(), ['container.log', 'container.log.1']);
    });

    it('keeps nothing when logging is off', async () => {
      const id = await bed.engine.create(
        containerConfig(image, ['echo', 'x'], { log: { driver: 'none', options: {} } }),
      );
      await bed.engine.start(id);
      await bed.engine.wait(id);
      await assert.rejects(collect(bed.engine.logs(id, allLogs)), /does not support reading/);
      assert.equal(bed.engine.find(id)?.logPath, '');
    });
  });
});

function commandLineOf(pid: string): string {
  try {
    return /^\d+$/.test(pid) ? readFileSync(`/proc/${pid}/cmdline`, 'utf8') : '';
  } catch {
    return '';
  }
}
