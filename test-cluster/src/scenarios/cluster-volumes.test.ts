/** Cluster volumes by a real CSI plugin: made, brought to the node of the task that needs them, moved with it, drained, deleted. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Lab } from '../lab/lab.js';
import { waitFor } from '../wait.js';
import { failed, newLab, nodesOf, ok, tasksOf, untilRunning } from './testing.js';

const PLUGIN = fileURLToPath(new URL('../csi/hostpath-plugin.js', import.meta.url));
const DRIVER = 'hostpath.csi.test';
const WHOAMI = 'registry:5000/whoami';

describe('cluster volumes', () => {
  let lab: Lab;
  let store = '';
  const swarmts = async (...args: readonly string[]) => ok(await lab.swarmts('m1', ...args));
  const volumesOn = (node: string) => {
    const dir = join(lab.dataRoot(node), 'swarm', 'volumes');
    return existsSync(dir) ? readdirSync(dir).filter((f) => f !== 'mounted.json') : [];
  };

  async function startPlugin(node: string): Promise<void> {
    const socket = join(lab.execRoot(node), 'csi', 'hostpath.sock');
    await lab.spawn(node, [process.execPath, PLUGIN, socket, store, `csi-${node}`, node === 'm1' ? 'a' : 'b']);
  }

  before(async () => {
    lab = await newLab({ managers: 1, workers: 2 });
    store = join(dirname(lab.dataRoot('m1')), 'csi-store');
    mkdirSync(store, { recursive: true });
    await Promise.all(['m1', 'w1', 'w2'].map(startPlugin));
    await waitFor('all nodes know the plugin', 20_000, async () => {
      const nodes = await nodesOf(lab, 'm1');
      return nodes.every((n) => JSON.stringify(n.Description).includes(DRIVER));
    });
  });
  after(() => lab.down());

  const attached = (volume: string) => {
    const dir = join(store, 'attached', `vol-${volume}`);
    return existsSync(dir) ? readdirSync(dir) : [];
  };
  const make = (name: string, ...flags: readonly string[]) =>
    swarmts('volume', 'create', '--driver', DRIVER, '--type', 'mount', ...flags, name);
  const service = (name: string, mount: string, ...flags: readonly string[]) =>
    swarmts(
      'service',
      'create',
      '-d',
      '--stop-grace-period',
      '1s',
      '--name',
      name,
      '--mount',
      `type=cluster,${mount}`,
      ...flags,
      WHOAMI,
    );
  const hostOf = async (name: string) => {
    const [task] = await untilRunning(lab, 'm1', name, 1);
    const node = (await nodesOf(lab, 'm1')).find((n) => n.ID === task?.NodeID);
    return node?.Description.Hostname ?? '';
  };
  const inTask = (name: string, ...argv: readonly string[]) => swarmts('task', 'exec', `${name}.1`, ...argv);

  it('are made with options, secrets and capacity, and shown as Docker shows them', async () => {
    writeFileSync(join(store, 'password'), 'open sesame');
    await swarmts('secret', 'create', 'storage', join(store, 'password'));
    await make(
      'data',
      '--secret',
      'password=storage',
      '--opt',
      'tier=fast',
      '--required-bytes',
      '1MB',
      '--label',
      'x=y',
    );
    await waitFor('it is made', 10_000, async () => (await swarmts('volume', 'ls', '--cluster')).includes('created'));
    assert.match(await swarmts('volume', 'ls', '--cluster'), /data +hostpath\.csi\.test +active +created/);
    const given = JSON.parse(readFileSync(join(store, 'vol-data.json'), 'utf8')) as object;
    assert.deepEqual(given, { parameters: { tier: 'fast' }, secrets: { password: 'open sesame' } });
    const text = ok(await lab.docker('m1', 'volume', 'inspect', 'data'));
    const [volume] = JSON.parse(text) as [
      { Driver: string; Scope: string; ClusterVolume: { Info: { VolumeID: string; CapacityBytes: number } } },
    ];
    assert.equal(volume.Scope, 'global');
    assert.equal(volume.ClusterVolume.Info.VolumeID, 'vol-data');
    assert.equal(volume.ClusterVolume.Info.CapacityBytes, 1024 * 1024);
    assert.doesNotMatch(text, /open sesame/);
    assert.match(failed(await lab.swarmts('m1', 'secret', 'rm', 'storage')), /in use by volume data/);
  });

  it('follow their task to another node, with what is in them', async () => {
    await service('db', 'source=data,target=/data', '--constraint', 'node.hostname==w1');
    assert.equal(await hostOf('db'), 'w1');
    await inTask('db', 'sh', '-c', 'echo kept > /data/file');
    assert.deepEqual(attached('data'), ['csi-w1']);
    assert.match(await swarmts('volume', 'ls', '--cluster'), /in use \(1 node\)/);
    await swarmts(
      'service',
      'update',
      '-d',
      '--constraint-rm',
      'node.hostname==w1',
      '--constraint-add',
      'node.hostname==w2',
      'db',
    );
    await waitFor('it has moved', 30_000, async () => (await hostOf('db')) === 'w2');
    assert.equal((await inTask('db', 'cat', '/data/file')).trim(), 'kept');
    assert.deepEqual(attached('data'), ['csi-w2']);
    assert.deepEqual(volumesOn('w1'), []);
  });

  it('are there after a daemon was killed, and let go when the task ends meanwhile', async () => {
    await lab.kill('w2');
    await lab.start('w2');
    const there = () => lab.swarmts('m1', 'task', 'exec', 'db.1', 'cat', '/data/file');
    await waitFor('it is still there', 20_000, async () => (await there()).stdout.trim() === 'kept');
    await lab.kill('w2');
    await swarmts('service', 'scale', '-d', 'db=0');
    await lab.start('w2');
    await waitFor('the volume has left w2', 30_000, () => attached('data').length === 0);
    assert.deepEqual(volumesOn('w2'), []);
  });

  it('are given to one task at a time unless they may be shared', async () => {
    await swarmts('service', 'scale', '-d', 'db=2');
    const waiting = await waitFor('the second says why', 20_000, async () =>
      (await tasksOf(lab, 'm1')).find((t) => t.Status.State === 'pending' && t.Status.Err?.includes('CSI')),
    );
    assert.match(waiting.Status.Err ?? '', /cannot fulfill requested CSI volume mounts on \d nodes?: volume data is /);
    assert.match(await swarmts('task', 'explain', waiting.ID), /volume data is/);
    await swarmts('service', 'rm', 'db');
    await make('many', '--scope', 'multi', '--sharing', 'all');
    await service('web', 'source=many,target=/www', '--replicas', '3');
    await untilRunning(lab, 'm1', 'web', 3);
    assert.equal(attached('many').length, 3);
    await swarmts('service', 'rm', 'web');
    await waitFor('it is nowhere', 30_000, () => attached('many').length === 0);
  });

  it('are chosen from a group, one for each task, and by where they can be reached', async () => {
    for (const n of [1, 2]) await make(`g${n}`, '--group', 'shards', '--topology-required', 'zone=b');
    await service('shard', 'source=group:shards,target=/shard', '--replicas', '3');
    const tasks = await untilRunning(lab, 'm1', 'shard', 2);
    const names = new Map((await nodesOf(lab, 'm1')).map((n) => [n.ID, n.Description.Hostname]));
    for (const t of tasks) assert.match(names.get(t.NodeID ?? '') ?? '', /^w/);
    assert.equal(attached('g1').length + attached('g2').length, 2);
    await swarmts('service', 'rm', 'shard');
  });

  it('of type block are devices in the container, and follow their task too', async () => {
    const type = ['--type', 'block', '--scope', 'single', '--required-bytes', '1MB'];
    ok(await lab.docker('m1', 'volume', 'create', '--driver', DRIVER, ...type, 'disk'));
    await service('raw', 'source=disk,target=/dev/disk', '--constraint', 'node.hostname!=w2');
    await untilRunning(lab, 'm1', 'raw', 1);
    await inTask('raw', 'sh', '-c', 'test -b /dev/disk && printf kept > /dev/disk');
    await swarmts('service', 'update', '-d', '--constraint-add', 'node.hostname!=m1', '--force', 'raw');
    await waitFor('it is on w1', 30_000, async () => (await hostOf('raw')) === 'w1');
    assert.equal(await inTask('raw', 'head', '-c', '4', '/dev/disk'), 'kept');
    await swarmts('service', 'rm', 'raw');
    await service('reader', 'source=disk,target=/dev/disk,readonly');
    await untilRunning(lab, 'm1', 'reader', 1);
    assert.equal(await inTask('reader', 'head', '-c', '4', '/dev/disk'), 'kept');
    const written = await lab.swarmts('m1', 'task', 'exec', 'reader.1', 'sh', '-c', 'printf lost > /dev/disk');
    assert.match(failed(written), /not permitted/);
    await swarmts('service', 'rm', 'reader');
    await waitFor('it is nowhere', 30_000, () => attached('disk').length === 0);
    for (const node of ['m1', 'w1', 'w2']) assert.deepEqual(volumesOn(node), []);
  });

  it('end their tasks when they are drained, and take none while they pause', async () => {
    await service('drained', 'source=data,target=/data');
    await untilRunning(lab, 'm1', 'drained', 1);
    await swarmts('volume', 'update', '--availability', 'drain', 'data');
    await waitFor('it is nowhere', 30_000, () => attached('data').length === 0);
    assert.match(await swarmts('volume', 'ls', '--cluster', '--filter', 'name=data'), /drain +created/);
    await swarmts('volume', 'update', '--availability', 'active', 'data');
    await untilRunning(lab, 'm1', 'drained', 1);
    assert.match(failed(await lab.swarmts('m1', 'volume', 'rm', 'data')), /volume data is in use by task/);
    await swarmts('service', 'rm', 'drained');
    await waitFor('it is nowhere', 30_000, () => attached('data').length === 0);
  });

  it('tell what their plugin complains of, and go on when it works again', async () => {
    writeFileSync(join(store, 'fail-CreateVolume'), 'the disks are full');
    await make('late');
    await waitFor('it says why', 10_000, async () =>
      (await swarmts('volume', 'inspect', 'late')).includes('the disks are full'),
    );
    await service('later', 'source=late,target=/d');
    rmSync(join(store, 'fail-CreateVolume'));
    await untilRunning(lab, 'm1', 'later', 1);
    await swarmts('service', 'rm', 'later');
  });

  it('are made by stack files, as Docker writes them', async () => {
    const file = join(store, 'stack.yaml');
    writeFileSync(
      file,
      `
services:
  db:
    image: ${WHOAMI}
    volumes: [{type: cluster, source: files, target: /data}]
volumes:
  files:
    driver: ${DRIVER}
    x-cluster-spec: {access_mode: {scope: multi, sharing: all}, secrets: [{key: password, secret: storage}]}
`,
    );
    const out = await swarmts('stack', 'deploy', '-d', '-c', file, 'shop');
    assert.match(out, /Creating volume shop_files[\s\S]*Creating service shop_db/);
    await untilRunning(lab, 'm1', 'shop_db', 1);
    assert.doesNotMatch(await swarmts('stack', 'deploy', '-d', '-c', file, 'shop'), /Creating volume/);
    await swarmts('stack', 'rm', 'shop');
    writeFileSync(file, `services: {db: {image: a, volumes: [{type: cluster, source: nope, target: /d}]}}`);
    assert.match(
      failed(await lab.swarmts('m1', 'stack', 'deploy', '-c', file, 'shop')),
      /names no volume of the file: nope/,
    );
  });

  it('are deleted by their plugin', async () => {
    for (const name of ['data', 'many', 'disk', 'late', 'g1', 'g2', 'shop_files']) {
      await waitFor(`${name} is nowhere`, 30_000, () => attached(name).length === 0);
      await waitFor(
        `${name} is removed`,
        10_000,
        async () => (await lab.docker('m1', 'volume', 'rm', name)).code === 0,
      );
    }
    await waitFor('none is left', 20_000, async () => (await swarmts('volume', 'ls', '-q')).trim() === '');
    assert.deepEqual(readdirSync(join(store, 'volumes')), []);
  });

  it('are refused with what is wrong', async () => {
    const refused = async (...args: readonly string[]) => failed(await lab.swarmts('m1', 'volume', 'create', ...args));
    assert.match(await refused('--driver', DRIVER, '--scope', 'world', 'x'), /Scope.*world|world.*Scope/);
    assert.match(await refused('--driver', DRIVER, '--type', 'tape', 'x'), /invalid access type "tape" of a volume/);
    assert.match(await refused('--driver', DRIVER, '--secret', 'a=nope', 'x'), /secret nope not found/);
    assert.match(
      await refused('--driver', DRIVER, '--group', 'g', '--limit-bytes', '1', '--required-bytes', '2', 'x'),
      /more than the limit/,
    );
    const onWorker = await lab.swarmts('w1', 'volume', 'create', '--driver', DRIVER, '--group', 'g', 'x');
    assert.match(failed(onWorker), /not a swarm manager/);
    await make('lost', '--driver', 'nobody.csi.test');
    await waitFor('it says why', 10_000, async () =>
      (await swarmts('volume', 'inspect', 'lost')).includes('CSI plugin nobody.csi.test does not answer'),
    );
    await swarmts('volume', 'rm', '--force', 'lost');
    assert.doesNotMatch(await swarmts('volume', 'ls', '--cluster'), /lost/);
  });
});
