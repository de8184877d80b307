/** Where tasks go, and services that change by themselves: resources, constraints, plans, rebalancing, schedules, scaling by use. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { api } from '../client.js';
import type { Lab } from '../lab/lab.js';
import { waitFor } from '../wait.js';
import { type ApiTask, failed, newLab, nodesOf, ok, runningTasks, tasksOf, untilRunning } from './testing.js';

const WHOAMI = 'registry:5000/whoami';
const BUSYBOX = 'registry:5000/busybox';

describe('placement', () => {
  let lab: Lab;
  before(async () => {
    lab = await newLab({ managers: 1, workers: 2, daemonArgs: ['--node-generic-resource=gpu=1'] });
  });
  after(() => lab.down());
  const docker = async (...args: readonly string[]) => ok(await lab.docker('m1', ...args));
  const swarmts = async (...args: readonly string[]) => ok(await lab.swarmts('m1', ...args));
  const create = (name: string, ...args: readonly string[]) =>
    swarmts('service', 'create', '-q', '--name', name, ...args);

  /** Running tasks of a service by node. */
  async function spread(service: string): Promise<Readonly<Record<string, number>>> {
    const names = new Map((await nodesOf(lab, 'm1')).map((n) => [n.ID, n.Description.Hostname]));
    const out: Record<string, number> = {};
    for (const t of await runningTasks(lab, 'm1', service)) {
      const name = names.get(t.NodeID ?? '') ?? '';
      out[name] = (out[name] ?? 0) + 1;
    }
    return out;
  }
  async function tasksNamed(service: string): Promise<readonly ApiTask[]> {
    const id = (await docker('service', 'inspect', '--format', '{{.ID}}', service)).trim();
    return (await tasksOf(lab, 'm1')).filter((t) => t.ServiceID === id);
  }

  it('user-defined resources are reserved, told to the container, and run out', async () => {
    await docker('service', 'create', '-d', '--name', 'gpu', '--replicas', '4', '--generic-resource', 'gpu=1', WHOAMI);
    await untilRunning(lab, 'm1', 'gpu', 3);
    assert.deepEqual(await spread('gpu'), { m1: 1, w1: 1, w2: 1 });
    const homeless = await waitFor('the fourth says why', 10_000, async () =>
      (await tasksNamed('gpu')).find((t) => t.Status.State === 'pending' && t.Status.Err),
    );
    assert.match(homeless.Status.Err ?? '', /insufficient resources on 3 nodes/);
    assert.match(
      await swarmts('task', 'explain', homeless.ID),
      /is pending: no suitable node[\s\S]*wants .* 1 of gpu; free are .* 0 of gpu/,
    );
    const [container = ''] = (await docker('ps', '-q', '--filter', 'name=gpu')).trim().split('\n');
    assert.match(await docker('inspect', '--format', '{{.Config.Env}}', container), /DOCKER_RESOURCE_GPU=1/);
    await docker('service', 'rm', 'gpu');
  });

  it('slots stay with the node that has their volumes', async () => {
    const mount = 'type=volume,source=db-{{.Task.Slot}},target=/data';
    await create('db', '-d', '--replicas', '2', '--pin-volumes', '--mount', mount, '--stop-grace-period', '0s', WHOAMI);
    const home = async (slot: number) => (await runningTasks(lab, 'm1', 'db')).find((t) => t.Slot === slot)?.NodeID;
    await untilRunning(lab, 'm1', 'db', 2);
    const [first, second] = [await home(1), await home(2)];
    await swarmts('task', 'exec', 'db.2', 'sh', '-c', 'echo kept >/data/file');
    await swarmts('service', 'scale', '-d', 'db=0');
    await waitFor('both are gone', 20_000, async () => (await runningTasks(lab, 'm1', 'db')).length === 0);
    await swarmts('node', 'update', '--availability', 'drain', second ?? '');
    await swarmts('service', 'scale', '-d', 'db=2');
    const waiting = await waitFor('one waits', 20_000, async () =>
      (await tasksNamed('db')).find((t) => t.Status.State === 'pending' && t.Status.Err),
    );
    assert.match(waiting.Status.Err ?? '', new RegExp(`the volumes of slot 2 are on node ${second}`));
    await swarmts('node', 'update', '--availability', 'active', second ?? '');
    await untilRunning(lab, 'm1', 'db', 2);
    assert.deepEqual([await home(1), await home(2)], [first, second]);
    assert.equal((await swarmts('task', 'exec', 'db.2', 'cat', '/data/file')).trim(), 'kept');
    const refused = await lab.swarmts('m1', 'service', 'create', '--pin-volumes', '--name', 'none', WHOAMI);
    assert.match(failed(refused), /is for replicated services with named volumes/);
    await swarmts('service', 'rm', 'db');
  });

  it('tasks log as the cluster says, and as it says from then on', async () => {
    const logsTo = async (TaskDefaults: object, name: string) => {
      const swarm = (await api(lab.socket('m1'), 'GET', '/swarm')) as { Version: { Index: number }; Spec: object };
      await api(lab.socket('m1'), 'POST', `/swarm/update?version=${swarm.Version.Index}`, {
        ...swarm.Spec,
        TaskDefaults,
      });
      // Docker's client sends back what it was given.
      await docker('swarm', 'update', '--task-history-limit', '5');
      await create(name, '-d', '--constraint', 'node.hostname==m1', WHOAMI);
      await untilRunning(lab, 'm1', name, 1);
      const [container = ''] = (await docker('ps', '-q', '--filter', `name=${name}`)).trim().split('\n');
      const driver = await docker('inspect', '--format', '{{.HostConfig.LogConfig.Type}}', container);
      await docker('service', 'rm', name);
      return driver.trim();
    };
    assert.equal(
      await logsTo({ LogDriver: { Name: 'local', Options: { 'max-size': '1m' } } }, 'logs-as-told'),
      'local',
    );
    assert.equal(await logsTo({}, 'logs-as-ever'), 'json-file');
  });

  it('a service of one replica keeps the address that it was given', async () => {
    await docker('network', 'create', '-d', 'overlay', '--subnet', '10.77.0.0/24', 'fixed');
    const at = (ip: string, ...more: readonly string[]) =>
      lab.swarmts(
        'm1',
        'service',
        'create',
        '-q',
        '--name',
        'homely',
        '--network',
        `name=fixed,ip=${ip}`,
        ...more,
        WHOAMI,
      );
    assert.match(failed(await at('10.78.0.9')), /network fixed: address 10\.78\.0\.9 is in no subnet of the network/);
    assert.match(
      failed(await at('10.77.0.9', '--replicas', '2')),
      /a fixed address is for a replicated service of one replica/,
    );
    assert.match(failed(await at('10.77.0.9', '--mode', 'global')), /a fixed address is for a replicated service/);
    assert.match(failed(await at('10.77.0.9', '--update-order', 'start-first')), /the update order must be stop-first/);
    assert.match(failed(await at('nonsense')), /network fixed: .*nonsense/);
    ok(await at('10.77.0.77'));
    const addresses = async () =>
      (await tasksNamed('homely'))
        .filter((t) => t.Status.State === 'running')
        .flatMap((t) => t.NetworksAttachments?.flatMap((n) => n.Addresses ?? []) ?? []);
    assert.deepEqual(await addresses(), ['10.77.0.77/24']);
    await swarmts('service', 'update', '-q', '--env-add', 'ROUND=2', 'homely');
    assert.deepEqual(await addresses(), ['10.77.0.77/24']);
    assert.match(
      failed(await lab.swarmts('m1', 'service', 'scale', 'homely=2')),
      /a fixed address is for a replicated service/,
    );
    await docker('service', 'rm', 'homely');
  });

  it('a task leaves a node that loses the label that it needs, and comes back with it', async () => {
    await docker('node', 'update', '--label-add', 'disk=ssd', 'w1');
    await create('ssd', '--constraint', 'node.labels.disk==ssd', WHOAMI);
    assert.deepEqual(await spread('ssd'), { w1: 1 });
    await docker('node', 'update', '--label-rm', 'disk', 'w1');
    await waitFor('it has left', 20_000, async () => Object.keys(await spread('ssd')).length === 0);
    await docker('node', 'update', '--label-add', 'disk=ssd', 'w2');
    await waitFor('it runs elsewhere', 20_000, async () => (await spread('ssd')).w2 === 1);
    await docker('service', 'rm', 'ssd');
  });

  it('a plan shows what would change and where it would go, and changes nothing', async () => {
    await create('web', '--replicas', '3', WHOAMI);
    const before = (await runningTasks(lab, 'm1', 'web')).map((t) => t.ID).sort();
    const plan = await swarmts(
      'service',
      'plan',
      '--env-add',
      'A=1',
      '--replicas',
      '4',
      '--constraint-add',
      'node.role==worker',
      'web',
    );
    assert.match(plan, /task\.container\.env\[0\]: \(none\) -> "A=1"/);
    assert.match(plan, /mode\.replicated\.replicas: 3 -> 4/);
    assert.match(plan, /web\.1\s+replace\s+\w+\s+w[12]/);
    assert.match(plan, /web\.4\s+create\s+w[12]/);
    assert.match(
      await swarmts('service', 'plan', '--reserve-memory', '1000g', 'web'),
      /no suitable node \(insufficient resources on 3 nodes\)/,
    );
    assert.match(await swarmts('service', 'plan', 'web'), /does not change[\s\S]*web\.1\s+keep/);
    assert.deepEqual((await runningTasks(lab, 'm1', 'web')).map((t) => t.ID).sort(), before);
  });

  it('a node is drained task by task, never with fewer than wanted when the new one starts first', async () => {
    await swarmts('service', 'update', '-q', '--update-order', 'start-first', '--replicas', '6', 'web');
    let fewest = 6;
    let watching = true;
    const watch = (async () => {
      while (watching) fewest = Math.min(fewest, (await runningTasks(lab, 'm1', 'web')).length);
    })();
    await docker('node', 'update', '--availability', 'drain', 'w2');
    await waitFor('w2 is empty', 40_000, async () => {
      const now = await spread('web');
      return now.w2 === undefined && (now.m1 ?? 0) + (now.w1 ?? 0) === 6;
    });
    watching = false;
    await watch;
    assert.ok(fewest >= 6, `there were only ${fewest} at times`);
  });

  it('rebalancing moves as many tasks as it takes, and no more', async () => {
    await docker('node', 'update', '--availability', 'active', 'w2');
    assert.deepEqual(await spread('web'), { m1: 3, w1: 3 });
    assert.match(await swarmts('service', 'rebalance', 'web'), /web: 2 tasks are moved/);
    await waitFor('they are even', 40_000, async () => {
      const now = await spread('web');
      return now.m1 === 2 && now.w1 === 2 && now.w2 === 2;
    });
    assert.match(await swarmts('service', 'rebalance', 'web'), /no task needs to move/);
    await docker('service', 'rm', 'web');
  });

  it('a scheduled job runs at its times, and only then', async () => {
    const id = await create('tick', '-d', '--mode', 'replicated-job', '--schedule', '*/3 * * * * *', BUSYBOX, 'true');
    assert.notEqual(id, '');
    await waitFor(
      'it has run twice',
      30_000,
      async () => (await tasksNamed('tick')).filter((t) => t.Status.State === 'complete').length >= 2,
    );
    const text = await swarmts('service', 'schedule', 'tick');
    assert.match(
      text,
      /\*\/3 \* \* \* \* \* \(UTC, forbid\)[\s\S]*Next run:[\s\S]*RUN\s+STARTED\s+COMPLETED[\s\S]*\n1\s/,
    );
    assert.match(
      failed(await lab.swarmts('m1', 'service', 'create', '--mode', 'replicated-job', '--schedule', 'often', BUSYBOX)),
      /invalid schedule 'often'/,
    );
    assert.match(
      failed(await lab.swarmts('m1', 'service', 'create', '--schedule', '* * * * *', BUSYBOX)),
      /is for jobs/,
    );
    await docker('service', 'rm', 'tick');
  });

  it('a service scales by its use, and says why', async () => {
    const scale = ['--autoscale', 'min=1,max=3,cpu=50,up=6s,down=6s'];
    const flags = ['--limit-cpu', '0.1', '--stop-grace-period', '0s', ...scale];
    await create('busy', '-d', ...flags, BUSYBOX, 'sh', '-c', 'while :; do :; done');
    await untilRunning(lab, 'm1', 'busy', 3, 60_000);
    const steps = await swarmts('service', 'autoscale', 'busy');
    assert.match(steps, /3 \(1 to 3\)[\s\S]*cpu at \d+ %, wanted 50 %/);
    assert.match(await docker('service', 'inspect', '--format', '{{.Spec.Mode.Replicated.Replicas}}', 'busy'), /^1$/m);
    await swarmts('service', 'update', '-d', '--update-parallelism', '0', '--args', 'sleep 1000', 'busy');
    await untilRunning(lab, 'm1', 'busy', 1, 60_000);
    assert.match(
      failed(await lab.swarmts('m1', 'service', 'update', '--autoscale', 'max=3', 'busy')),
      /swarmts\.autoscale=max=3/,
    );
    await docker('service', 'rm', 'busy');
  });

  it('a device, an address for a port and a filled-in secret reach the container', async () => {
    const file = join(lab.dataRoot('m1'), 'hello.txt');
    writeFileSync(file, 'I am {{.Service.Name}} on {{.Node.Hostname}}');
    await docker('config', 'create', '--template-driver', 'golang', 'filled', file);
    const flags = [
      '--device',
      '/dev/null:/dev/nothing:r',
      '--constraint',
      'node.hostname==m1',
      '--config',
      'source=filled,target=/hello',
    ];
    const ports = ['--publish', 'mode=host,target=80,published=8099', '--publish-host-ip', '80=127.0.0.1'];
    await create('dev', ...flags, ...ports, WHOAMI);
    const [container = ''] = (await docker('ps', '-q', '--filter', 'name=dev')).trim().split('\n');
    assert.match(await docker('exec', container, 'cat', '/hello'), /^I am dev on m1/);
    assert.equal((await docker('exec', container, 'cat', '/dev/nothing')).trim(), '');
    const at = (address: string) => lab.exec('m1', ['curl', '-s', '-m', '5', `http://${address}:8099/`]);
    assert.equal((await at('127.0.0.1')).code, 0);
    assert.notEqual((await at('10.210.0.11')).code, 0);
    await docker('service', 'rm', 'dev');
  });

  it('privileges and the size of /dev/shm reach the container', async () => {
    await create(
      'shm',
      '-d',
      '--stop-grace-period',
      '0s',
      '--privileged',
      '--shm-size',
      '32m',
      '--constraint',
      'node.hostname==m1',
      BUSYBOX,
      'sleep',
      '1000',
    );
    await untilRunning(lab, 'm1', 'shm', 1);
    const [container = ''] = (await docker('ps', '-q', '--filter', 'name=shm')).trim().split('\n');
    const mounts = await docker('exec', container, 'cat', '/proc/mounts');
    assert.match(mounts, /shm \/dev\/shm tmpfs .*size=32768k/);
    assert.match(await docker('exec', container, 'cat', '/proc/self/status'), /CapEff:\s+0000[01]{2}/);
    await swarmts('service', 'update', '-q', '--shm-size', '16m', 'shm');
    const [next = ''] = (await docker('ps', '-q', '--filter', 'name=shm')).trim().split('\n');
    assert.notEqual(next, container, 'it has been replaced');
    await docker('service', 'rm', 'shm');
  });
});
