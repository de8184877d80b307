/** The commands about containers against a fake daemon; what needs a real one is in the scenarios. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FakeRoutes, runCli } from '../../testing/fake-api.js';

const ok = () => ({ status: 204 });

describe('the container commands', () => {
  it('do one thing to each container and print its name', async () => {
    for (const [verb, path] of [
      ['pause', 'pause'],
      ['unpause', 'unpause'],
      ['restart', 'restart'],
    ] as const) {
      const routes = { [`POST /containers/a/${path}`]: ok, [`POST /containers/b/${path}`]: ok };
      const { code, out } = await runCli([verb, 'a', 'b'], routes);
      assert.deepEqual([code, out], [0, 'a\nb\n']);
    }
    const wait = await runCli(['wait', 'a'], { 'POST /containers/a/wait': () => ({ json: { StatusCode: 7 } }) });
    assert.equal(wait.out, '7\n');
  });

  it('send every option of run where Docker has it', async () => {
    let body: Record<string, unknown> = {};
    const routes: FakeRoutes = {
      'POST /containers/create': (r) => {
        body = r.body as typeof body;
        return { status: 201, json: { Id: 'c1', Warnings: ['Limitation discarded.'] } };
      },
    };
    const argv =
      'create --name n -e A=b -it -p 127.0.0.1:8080:80 -v v:/v -v /anon --restart on-failure:3 --memory 64m --cpus 1.5';
    const more =
      '--ulimit nofile=1:2 --device /dev/fuse:rw --tmpfs /t:size=1m --network back --network-alias x --link db:d --gpus all';
    const { code, out, requests } = await runCli([...argv.split(' '), ...more.split(' '), 'image', 'cmd', '-x']);
    assert.deepEqual([code, out], [1, ''], 'no such route');
    assert.equal(requests[0]?.path, '/containers/create');
    const made = await runCli([...argv.split(' '), ...more.split(' '), 'image', 'cmd', '-x'], routes);
    assert.deepEqual([made.out, made.err], ['c1\n', 'WARNING: Limitation discarded.\n']);
    const host = body.HostConfig as Record<string, unknown>;
    assert.deepEqual([body.Image, body.Cmd, body.Env, body.Tty], ['image', ['cmd', '-x'], ['A=b'], true]);
    assert.deepEqual(host.PortBindings, { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '8080' }] });
    assert.deepEqual([host.Binds, body.Volumes], [['v:/v'], { '/anon': {} }]);
    assert.deepEqual(host.RestartPolicy, { Name: 'on-failure', MaximumRetryCount: 3 });
    assert.deepEqual([host.Memory, host.NanoCpus], [64 << 20, 1.5e9]);
    assert.deepEqual(host.Devices, [
      { PathOnHost: '/dev/fuse', PathInContainer: '/dev/fuse', CgroupPermissions: 'rw' },
    ]);
    assert.deepEqual([host.Tmpfs, host.NetworkMode], [{ '/t': 'size=1m' }, 'back']);
    const { EndpointsConfig } = body.NetworkingConfig as { EndpointsConfig: Record<string, { Links: unknown }> };
    assert.deepEqual([host.Links, EndpointsConfig.back?.Links], [['db:d'], ['db:d']]);
    assert.deepEqual((host.DeviceRequests as { Count: number }[])[0]?.Count, -1);
  });

  it('read labels from files, and name a driver of volumes', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'swarmts-labels-'));
    const file = join(dir, 'labels');
    try {
      writeFileSync(file, '# mine\na=b\nc\n');
      let body: Record<string, unknown> = {};
      const routes: FakeRoutes = {
        'POST /containers/create': (r) => {
          body = r.body as typeof body;
          return { status: 201, json: { Id: 'c1', Warnings: null } };
        },
      };
      const argv = ['create', '--label-file', file, '-l', 'a=z', '--volume-driver', 'local', 'image'];
      assert.equal((await runCli(argv, routes)).code, 0);
      assert.deepEqual(body.Labels, { a: 'z', c: '' });
      assert.equal((body.HostConfig as { VolumeDriver: string }).VolumeDriver, 'local');
      const missing = await runCli(['create', '--label-file', join(dir, 'none'), 'image'], routes);
      assert.match(missing.err, /^open .*none: /);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it('take the time to stop under its name of now and under the one before', async () => {
    for (const flag of ['-t', '--timeout', '--time']) {
      const { requests } = await runCli(['stop', flag, '3', 'a'], { 'POST /containers/a/stop': ok });
      assert.equal(requests[0]?.query.t, '3', flag);
    }
  });

  it('pull for the platform that is wanted when the image here is for another', async () => {
    const message = 'image with reference box was found but does not match the specified platform';
    const routes: FakeRoutes = {
      'POST /containers/create': () => ({ status: 404, json: { message } }),
      'POST /images/create': () => ({ json: { status: `WARNING: ${message}` } }),
    };
    const { code, err, requests } = await runCli(['create', '--platform', 'linux/arm64', 'box'], routes);
    assert.equal(code, 1);
    assert.match(err, /^Unable to find image 'box' locally\n(.*\n)*.*does not match the specified platform\n/);
    assert.deepEqual(
      requests.map((r) => [r.path, r.query.platform]),
      ['/containers/create', '/images/create', '/containers/create'].map((path) => [path, 'linux/arm64']),
    );
  });

  it('show what a container uses as Docker counts it', async () => {
    const sample = {
      id: 'c'.repeat(64),
      name: '/web',
      cpu_stats: { cpu_usage: { total_usage: 300 }, system_cpu_usage: 2000, online_cpus: 2 },
      precpu_stats: { cpu_usage: { total_usage: 100 }, system_cpu_usage: 1000 },
      memory_stats: { usage: 3 << 20, limit: 8 << 20, stats: { inactive_file: 1 << 20 } },
      networks: { eth0: { rx_bytes: 1500, tx_bytes: 10 } },
      pids_stats: { current: 4 },
    };
    const { out } = await runCli(['stats', '--no-stream', 'web'], {
      'GET /containers/web/stats': () => ({ json: sample }),
    });
    assert.match(out, /c{12}\s+web\s+40\.00%\s+2MiB \/ 8MiB\s+25\.00%\s+1\.5kB \/ 10B\s+0B \/ 0B\s+4/);
  });

  it('list processes, changes and ports', async () => {
    const routes: FakeRoutes = {
      'GET /containers/c/top': () => ({ json: { Titles: ['PID', 'CMD'], Processes: [['1', 'sleep 60']] } }),
      'GET /containers/c/changes': () => ({ json: [{ Kind: 1, Path: '/new' }] }),
      'GET /containers/c/json': () => ({
        json: { NetworkSettings: { Ports: { '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '8080' }], '81/tcp': null } } },
      }),
    };
    assert.match((await runCli(['top', 'c'], routes)).out, /^PID\s+CMD\n1\s+sleep 60\n$/);
    assert.equal((await runCli(['diff', 'c'], routes)).out, 'A /new\n');
    assert.equal((await runCli(['port', 'c'], routes)).out, '80/tcp -> 0.0.0.0:8080\n');
    assert.equal((await runCli(['port', 'c', '80'], routes)).out, '0.0.0.0:8080\n');
    const none = await runCli(['port', 'c', '99'], routes);
    assert.deepEqual([none.code, none.err], [1, "no public port '99' published for c\n"]);
  });

  it('prune containers and volumes, and show what they take', async () => {
    const routes: FakeRoutes = {
      'POST /containers/prune': () => ({ json: { ContainersDeleted: ['x'], SpaceReclaimed: 2000 } }),
      'POST /volumes/prune': () => ({ json: { VolumesDeleted: null, SpaceReclaimed: 0 } }),
      'GET /system/df': () => ({ json: { ImageUsage: { TotalCount: 1, TotalSize: 5000, Reclaimable: 5000 } } }),
    };
    const gone = await runCli(['container', 'prune', '-f'], routes);
    assert.equal(gone.out, 'Deleted Containers:\nx\n\nTotal reclaimed space: 2kB\n');
    assert.equal((await runCli(['volume', 'prune', '-af'], routes)).out, 'Total reclaimed space: 0B\n');
    assert.match((await runCli(['system', 'df'], routes)).out, /Images\s+1\s+0\s+5kB\s+5kB \(100%\)/);
    const refused = await runCli(['container', 'prune'], routes, { stdin: 'n\n' });
    assert.match(refused.out, /WARNING! This will remove all stopped containers[\s\S]*\[y\/N\] $/);
  });

  describe('of one that runs', () => {
    const running = (tty: boolean, isRunning: boolean): FakeRoutes => ({
      'GET /containers/c/json': () => ({
        json: { Id: 'c', State: { Running: isRunning }, Config: { Tty: tty, OpenStdin: true } },
      }),
      'POST /containers/c/wait': () => ({ json: { StatusCode: 7 } }),
      'POST /containers/c/attach': () => ({ raw: Buffer.alloc(0) }),
      'POST /containers/c/start': () => ({ status: 204 }),
      'POST /containers/c/kill': () => ({ status: 204 }),
    });

    it('end with its exit code, or well where it was left with the detach keys', async () => {
      assert.equal((await runCli(['start', '-ai', 'c'], running(true, false))).code, 7);
      assert.equal((await runCli(['start', '-ai', 'c'], running(true, true))).code, 0);
    });

    it('pass every signal on, and end themselves where somebody insists', async () => {
      const routes = { ...running(false, true), 'POST /containers/c/attach': () => ({}) };
      const { code, err, requests } = await runCli(['start', '-a', 'c'], routes, {
        signalled: (tell) => {
          for (const s of ['SIGUSR1', 'SIGTERM', 'SIGINT', 'SIGHUP'] as const) setImmediate(tell, s);
          setTimeout(tell, 50, 'SIGINT');
        },
      });
      assert.deepEqual([code, err], [1, 'got 3 SIGTERM/SIGINTs, forcefully exiting\n']);
      const told = requests.filter((r) => r.path === '/containers/c/kill').map((r) => r.query.signal);
      assert.deepEqual(told.slice(0, 4).toSorted(), ['HUP', 'INT', 'TERM', 'USR1']);
    });
  });

  it('refuse what makes no sense before they ask', async () => {
    for (const [argv, message, code] of [
      [['run', '--rm', '--restart', 'always', 'i'], /cannot specify both --restart and --rm/, 125],
      [['run', '--restart', 'on-failure:x', 'i'], /maximum retry count must be an integer/, 125],
      [['run', '-it', 'i'], /the input device is not a TTY/, 1],
      [['exec', '-it', 'c', 'sh'], /the input device is not a TTY/, 1],
      [['cp', 'a:/x', 'b:/y'], /copying between containers is not supported/, 1],
      [['cp', 'x', 'y'], /must specify at least one container source/, 1],
      [['rename', 'a', ''], /Neither old nor new names may be empty/, 1],
    ] as const) {
      const r = await runCli(argv, {}, { stdin: '' });
      assert.match(r.err, message);
      assert.equal(r.code, code, argv.join(' '));
    }
  });
});
