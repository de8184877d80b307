/** What users get wrong: every case has an exit code, a sentence, and leaves nothing behind. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { api } from '../client.js';
import type { Lab } from '../lab/lab.js';
import { runAsync } from '../lab/run.js';
import { waitFor } from '../wait.js';
import { type ApiTask, failed, newLab, ok, tasksOf, untilRunning } from './testing.js';

describe('bad input', () => {
  let lab: Lab;
  before(async () => {
    lab = await newLab({ managers: 1, workers: 2, join: false });
  });
  after(() => lab.down());
  const m1 = (...args: readonly string[]) => lab.swarmts('m1', ...args);

  it('no daemon', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'swarmts-none-'));
    try {
      const r = await runAsync(
        process.execPath,
        [new URL('../../../cli/bin/swarmts.js', import.meta.url).pathname, 'node', 'ls'],
        {
          env: { ...process.env, SWARMTS_HOST: `unix://${dir}/none.sock` },
        },
      );
      assert.match(failed(r), /Cannot connect to the swarmts daemon at unix:\/\/.*none\.sock\. Is swarmtsd running\?/);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it('not a manager', async () => {
    assert.match(failed(await m1('node', 'ls')), /This node is not a swarm manager\./);
    assert.match(failed(await m1('service', 'create', 'registry:5000/whoami')), /This node is not a swarm manager\./);
  });

  it('an address that is not ours', async () => {
    assert.match(
      failed(await m1('init', '--advertise-addr', '192.0.2.77')),
      /192\.0\.2\.77 is not an address of this machine/,
    );
    assert.match(failed(await m1('init', '--advertise-addr', 'nosuch0')), /nosuch0/);
    assert.match(
      failed(await m1('init', '--advertise-addr', 'eth0', '--data-path-addr', 'nosuch0')),
      /data path address/,
    );
    assert.match(failed(await m1('init', '--advertise-addr', 'eth0', '--data-path-port', '80')), /from 1024 to 49151/);
    assert.match(ok(await m1('info', '--format', '{{.Swarm.LocalNodeState}}')), /inactive/);
  });

  it('joining with no, a malformed, or a token at a dead address', async () => {
    const w1 = (...args: readonly string[]) => lab.swarmts('w1', 'join', ...args);
    assert.match(failed(await w1('--token', 'nonsense', `${lab.nodes[0]?.address}:2377`)), /invalid join token/);
    const token = `SWMTKN-1-${'a'.repeat(50)}-${'b'.repeat(25)}`;
    const begin = performance.now();
    assert.match(
      failed(await w1('--token', token, '10.210.0.250:2377')),
      /could not reach a manager at 10\.210\.0\.250:2377/,
    );
    assert.ok(performance.now() - begin < 20_000);
    assert.match(ok(await lab.swarmts('w1', 'info', '--format', '{{.Swarm.LocalNodeState}}')), /inactive/);
  });

  it('init works, and only once', async () => {
    assert.match(
      ok(await m1('init', '--advertise-addr', 'eth0')),
      /Swarm initialized: current node \(\w{25}\) is now a manager\.[\s\S]*join --token SWMTKN-1-/,
    );
    assert.match(failed(await m1('init')), /This node is already part of a swarm/);
  });

  it('a token of another cluster, and a rotated one', async () => {
    ok(await lab.swarmts('w2', 'init', '--advertise-addr', 'eth0'));
    const foreign = ok(await lab.swarmts('w2', 'swarm', 'join-token', '-q', 'worker')).trim();
    const address = `${lab.nodes[0]?.address}:2377`;
    assert.match(failed(await lab.swarmts('w1', 'join', '--token', foreign, address)), /fingerprint/);
    const old = ok(await m1('swarm', 'join-token', '-q', 'worker')).trim();
    const fresh = ok(await m1('swarm', 'join-token', '-q', '--rotate', 'worker')).trim();
    assert.notEqual(old, fresh);
    assert.match(failed(await lab.swarmts('w1', 'join', '--token', old, address)), /valid join token is necessary/);
    assert.match(
      ok(await lab.swarmts('w1', 'join', '--token', fresh, address)),
      /This node joined a swarm as a worker\./,
    );
    assert.match(failed(await lab.swarmts('w1', 'join', '--token', fresh, address)), /already part of a swarm/);
    assert.match(
      failed(await lab.swarmts('w1', 'node', 'ls')),
      /Worker nodes can't be used to view or modify cluster state/,
    );
    ok(await lab.swarmts('w2', 'leave', '--force'));
  });

  it('joining with an address that is not ours, which adds no node', async () => {
    const token = ok(await m1('swarm', 'join-token', '-q', 'worker')).trim();
    const nodes = async () => (await api<readonly unknown[]>(lab.socket('m1'), 'GET', '/nodes')).length;
    const before = await nodes();
    for (const wrong of [
      ['--advertise-addr', 'eth99'],
      ['--advertise-addr', '9.9.9.9'],
      ['--advertise-addr', 'eth0', '--data-path-addr', '9.9.9.9'],
    ]) {
      const r = await lab.swarmts('w2', 'join', '--token', token, ...wrong, `${lab.nodes[0]?.address}:2377`);
      assert.match(failed(r), /eth99 is neither|9\.9\.9\.9 is not an address of this machine/);
    }
    assert.equal(await nodes(), before);
    assert.match(ok(await lab.swarmts('w2', 'info', '--format', '{{.Swarm.LocalNodeState}}')), /inactive/);
  });

  it('unknown and ambiguous names', async () => {
    assert.match(failed(await m1('service', 'inspect', 'nosuch')), /no such service: nosuch|service nosuch not found/i);
    assert.match(failed(await m1('service', 'rm', 'nosuch')), /service nosuch not found/i);
    assert.match(failed(await m1('node', 'inspect', 'nosuch')), /no such node: nosuch|node nosuch not found/i);
    assert.match(failed(await m1('node', 'update', '--availability', 'drain', 'nosuch')), /node nosuch not found/i);
  });

  for (const [what, args, message] of [
    ['a negative number of replicas', ['--replicas', '-1'], /invalid argument "-1" for "--replicas" flag/],
    ['replicas that are no number', ['--replicas', 'five'], /invalid argument "five" for "--replicas" flag/],
    ['too many replicas', ['--replicas', '100001'], /Number of replicas must be at most 100000/],
    ['a malformed constraint', ['--constraint', 'node.role=manager'], /constraint expected one operator from ==, !=/],
    ['malformed memory', ['--limit-memory', 'lots'], /invalid argument "lots" for "--limit-memory" flag/],
    ['too little memory', ['--limit-memory', '1m'], /must be at least 4MiB/],
    ['malformed CPUs', ['--limit-cpu', 'many'], /invalid argument "many" for "--limit-cpu" flag/],
    ['a malformed mount', ['--mount', 'type=bind,source=/x'], /target is required/],
    ['a relative mount', ['--mount', 'type=bind,source=x,target=/y'], /must be an absolute path/],
    ['a malformed port', ['--publish', 'mode=host,target=none'], /none/],
    ['a port out of range', ['--publish', 'mode=host,target=80,published=70000'], /70000/],
    ['an invalid name', ['--name', 'no spaces'], /name must be valid as a DNS name component/],
    ['an unknown flag', ['--nosuchflag'], /unknown flag: --nosuchflag/],
  ] as const) {
    it(`${what} in service create`, async () => {
      const r = await m1('service', 'create', '-d', '--name', 'bad', ...args, 'registry:5000/whoami');
      assert.notEqual(r.code, 0);
      assert.match(r.stderr, message);
      assert.deepEqual(await api<readonly unknown[]>(lab.socket('m1'), 'GET', '/services'), []);
    });
  }

  it('a name that is taken', async () => {
    ok(await m1('service', 'create', '-d', '--name', 'one', '--replicas', '0', 'registry:5000/whoami'));
    assert.match(
      failed(await m1('service', 'create', '-d', '--name', 'one', 'registry:5000/whoami')),
      /name conflicts with an existing object/,
    );
    ok(await m1('service', 'rm', 'one'));
  });

  /** Creates a service of one task and waits for the error of its first task. */
  async function firstError(args: readonly string[], state: string): Promise<ApiTask> {
    ok(
      await m1(
        'service',
        'create',
        '-d',
        '-q',
        '--name',
        'broken',
        '--no-resolve-image',
        '--restart-delay',
        '100ms',
        ...args,
      ),
    );
    const task = await waitFor(`a task is ${state}`, 60_000, async () =>
      (await tasksOf(lab, 'm1')).find((t) => t.Status.State === state),
    );
    const ps = ok(await m1('service', 'ps', 'broken', '--no-trunc'));
    assert.match(ps, new RegExp(state, 'i'));
    await waitFor('it is tried again', 30_000, async () => (await tasksOf(lab, 'm1')).length >= 2);
    ok(await m1('service', 'rm', 'broken'));
    await waitFor('its tasks are gone', 60_000, async () => (await tasksOf(lab, 'm1')).length === 0);
    return task;
  }

  it('an image that does not exist rejects the task, says so, and is tried again', async () => {
    const task = await firstError(['registry:5000/nosuch:v1'], 'rejected');
    assert.match(task.Status.Err ?? '', /No such image: registry:5000\/nosuch:v1/);
  });

  it('a command that does not exist fails with 127', async () => {
    const task = await firstError(['registry:5000/busybox', 'nosuchcommand'], 'failed');
    assert.match(task.Status.Err ?? '', /"nosuchcommand": executable file not found in \$PATH/);
    assert.equal(task.Status.ContainerStatus?.ExitCode, 127);
  });

  it('a command that cannot be executed fails with 126', async () => {
    const task = await firstError(['registry:5000/busybox', '/etc/passwd'], 'failed');
    assert.match(task.Status.Err ?? '', /permission denied/);
    assert.equal(task.Status.ContainerStatus?.ExitCode, 126);
  });

  it('a non-zero exit fails with its code', async () => {
    const task = await firstError(['registry:5000/busybox', 'sh', '-c', 'exit 3'], 'failed');
    assert.match(task.Status.Err ?? '', /task: non-zero exit \(3\)/);
    assert.equal(task.Status.ContainerStatus?.ExitCode, 3);
  });

  it('a task that cannot be placed says why, and is placed once it can', async () => {
    ok(
      await m1(
        'service',
        'create',
        '-d',
        '--name',
        'picky',
        '--constraint',
        'node.labels.disk==ssd',
        'registry:5000/whoami',
      ),
    );
    await waitFor('the reason is there', 20_000, async () =>
      (await tasksOf(lab, 'm1')).some((t) =>
        /no suitable node \(scheduling constraints not satisfied on 2 nodes/.test(t.Status.Err ?? ''),
      ),
    );
    const explained = ok(await m1('service', 'explain', 'picky'));
    assert.match(explained, /node\.labels\.disk==ssd/);
    ok(await m1('node', 'update', '--label-add', 'disk=ssd', 'm1'));
    await untilRunning(lab, 'm1', 'picky', 1);
    ok(await m1('service', 'rm', 'picky'));
  });

  it('a host port that is taken keeps the second task pending', async () => {
    const publish = [
      '--publish',
      'mode=host,published=8088,target=80',
      '--constraint',
      'node.hostname==m1',
      'registry:5000/whoami',
    ];
    ok(await m1('service', 'create', '-d', '--name', 'a', ...publish));
    await untilRunning(lab, 'm1', 'a', 1);
    ok(await m1('service', 'create', '-d', '--name', 'b', ...publish));
    await waitFor('the reason is there', 20_000, async () =>
      (await tasksOf(lab, 'm1')).some((t) => /host-mode port already in use on 1 node/.test(t.Status.Err ?? '')),
    );
    assert.match(
      ok(await lab.exec('w1', ['curl', '-fsS', '--max-time', '5', `http://${lab.nodes[0]?.address}:8088/`])),
      /Hostname:/,
    );
    ok(await m1('service', 'rm', 'a', 'b'));
  });

  it('the last manager is not removed, demoted or taken away without force', async () => {
    assert.match(failed(await m1('node', 'demote', 'm1')), /attempting to demote the last manager of the swarm/);
    assert.match(failed(await m1('node', 'rm', '--force', 'm1')), /is a cluster manager/);
    assert.match(failed(await m1('leave')), /Removing the last manager erases all current state of the swarm/);
    assert.match(failed(await m1('node', 'rm', 'w1')), /is not down and can't be removed/);
  });

  it('a worker leaves, is down, and can be removed', async () => {
    assert.match(ok(await lab.swarmts('w1', 'leave')), /Node left the swarm\./);
    await waitFor('w1 is down', 20_000, async () => /w1\s+Down/.test(ok(await m1('node', 'ls'))));
    assert.match(ok(await m1('node', 'rm', 'w1')), /w1/);
    assert.doesNotMatch(ok(await m1('node', 'ls')), /w1/);
  });
});
