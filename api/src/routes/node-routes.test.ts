import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { SwarmtsError } from '@swarmts/lib';
import { Harness } from '../testing/harness.js';
import { container } from '../testing/memory-backend.js';
import { NOW_MS } from '../testing/memory-swarm.js';
import { authHeader, createService, filters } from '../testing/requests.js';

describe('routes of what a node has itself, and of events', () => {
  let api: Harness;
  beforeEach(async () => {
    api = await Harness.start();
  });
  afterEach(() => api.stop());

  const create = (name: string, replicas?: number) => createService(api, name, replicas);

  it('report what fails during a pull inside the stream, and before it as an error', async () => {
    const late = await api.send('POST', '/images/create?fromImage=nowhere&tag=1');
    assert.equal(late.status, 200);
    const lines = String(late.body).trim().split('\r\n');
    assert.deepEqual(JSON.parse(lines.at(-1) ?? ''), {
      errorDetail: { message: 'manifest for nowhere:1 not found' },
      error: 'manifest for nowhere:1 not found',
    });
    assert.equal((await api.send('POST', '/images/create?fromImage=refused/x')).status, 404);
    const good = await api.send('POST', '/images/create?fromImage=alpine&tag=3', { headers: authHeader });
    assert.equal(String(good.body).includes('"error"'), false);
    assert.deepEqual(api.backend.images.lastAuth, { username: 'u', password: 'p' });
  });

  it('load what an archive has for a platform, where clients know of it', async () => {
    const platform = encodeURIComponent('{"os":"linux","architecture":"arm64"}');
    const load = async (version: string, value = platform) =>
      String((await api.send('POST', `/v${version}/images/load?platform=${value}`, { raw: Buffer.alloc(9) })).body);
    assert.match(await load('1.48'), /loaded-arm64:9/);
    assert.match(await load('1.47'), /loaded:9/);
    assert.match(await load('1.48', 'arm64'), /invalid platform/);
  });

  it('load an archive of any size as it comes', async () => {
    const a = await api.send('POST', '/images/load', { raw: Buffer.alloc(6 * 1024 * 1024) });
    assert.deepEqual(JSON.parse(String(a.body)), { stream: `Loaded image: loaded:${6 * 1024 * 1024}\n` });
  });

  it('start and stop containers, and say when nothing was to do', async () => {
    const id = 'c'.repeat(64);
    assert.equal((await api.send('POST', `/containers/${id}/start`)).status, 304);
    assert.equal((await api.send('DELETE', `/containers/${id}`)).status, 409);
    assert.equal((await api.send('POST', `/containers/${id}/stop?t=x`)).status, 400);
    assert.equal((await api.send('POST', `/containers/${id}/stop`)).status, 204);
    const stopped = await api.send('POST', `/containers/${id}/kill`);
    const notRunning = `cannot kill container: ${id}: container ${id} is not running`;
    assert.deepEqual([stopped.status, stopped.json], [409, { message: notRunning }]);
    const wrong = await api.send('POST', '/containers/x/kill?signal=NOPE');
    assert.deepEqual([wrong.status, wrong.json], [400, { message: 'cannot kill container: x: invalid signal: NOPE' }]);
    assert.deepEqual((await api.send('POST', `/containers/${id}/wait`)).json, { StatusCode: 137 });
    assert.match(String((await api.send('POST', `/containers/${id}/wait?condition=x`)).body), /invalid condition/);
    assert.deepEqual((await api.send('GET', '/containers/json')).json, []);
    const [listed] = (await api.send('GET', '/containers/json?all=1')).json as { Status: string }[];
    assert.equal(listed?.Status, 'Exited (137) 3 minutes ago');
    assert.equal((await api.send('DELETE', `/containers/${id}`)).status, 204);
  });

  it('pause, rename, update and restart containers', async () => {
    const id = 'c'.repeat(64);
    const post = (path: string, body?: object) =>
      api.send('POST', `/containers/${id}/${path}`, body ? { body } : undefined);
    assert.equal((await post('pause')).status, 204);
    assert.equal((await post('unpause')).status, 204);
    assert.equal((await post('rename?name=/other')).status, 204);
    assert.equal(((await api.send('GET', '/containers/other/json')).json as { Name: string }).Name, '/other');
    assert.equal((await post('restart?t=1&signal=INT')).status, 204);
    const change = { Memory: 1 << 30, CpuShares: 0, RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 } };
    assert.deepEqual((await post('update', change)).json, { Warnings: [] });
    assert.deepEqual(api.backend.containers.updates, [
      { resources: { memoryBytes: 1 << 30 }, restart: { name: 'on-failure', maxRetries: 3 } },
    ]);
    for (const policy of [{ Name: 'sometimes' }, { Name: 'always', MaximumRetryCount: 1 }]) {
      const refused = await post('update', { RestartPolicy: policy });
      assert.equal(refused.status, 400);
      assert.match(String(refused.body), /invalid restart policy: /);
    }
  });

  it('show what containers use, once or as a stream', async () => {
    const id = 'c'.repeat(64);
    const once1 = await api.send('GET', `/containers/${id}/stats?stream=0&one-shot=1`);
    const json = once1.json as { cpu_stats: { system_cpu_usage: number }; memory_stats: { limit: number } };
    assert.deepEqual([json.cpu_stats.system_cpu_usage, json.memory_stats.limit], [1000, 1 << 20]);
    const two = (await api.send('GET', `/containers/${id}/stats?stream=false`)).json as typeof json & {
      precpu_stats: { system_cpu_usage: number };
    };
    assert.equal(two.precpu_stats.system_cpu_usage, 1000);
    const top = await api.send('GET', `/containers/${id}/top`);
    assert.deepEqual(top.json, { Titles: ['PID', 'CMD'], Processes: [['42', 'sleep 60']] });
    const [listed] = (await api.send('GET', '/containers/json?size=1')).json as { SizeRw: number }[];
    assert.equal(listed?.SizeRw, 100);
  });

  it('copy files out of and into containers, export them and compare them', async () => {
    const id = 'c'.repeat(64);
    for (const [path, name, mode] of [
      ['/bin/file', 'file', 2 ** 23 + 0o755],
      ['/tmp', 'tmp', 2 ** 31 + 2 ** 20 + 0o777],
    ]) {
      const head = await api.send('HEAD', `/containers/${id}/archive?path=${path}`);
      const text = Buffer.from(String(head.headers['x-docker-container-path-stat']), 'base64').toString();
      const stat = JSON.parse(text) as { mode: number; name: string };
      assert.deepEqual([stat.name, stat.mode], [name, mode]);
    }
    const got = await api.send('GET', `/containers/${id}/archive?path=bin/file`);
    assert.equal(String(got.body), 'archive');
    assert.equal((await api.send('GET', `/containers/${id}/archive?path=/nope`)).status, 404);
    assert.equal((await api.send('GET', `/containers/${id}/archive`)).status, 400);
    const put = `/containers/${id}/archive?path=/tmp&noOverwriteDirNonDir=true`;
    assert.equal((await api.send('PUT', put, { raw: 'tar' })).status, 200);
    assert.deepEqual(api.backend.containers.written, [{ path: '/tmp', bytes: 3, keepKinds: true, ownIds: false }]);
    assert.equal(String((await api.send('GET', `/containers/${id}/export`)).body), 'everything');
    assert.deepEqual((await api.send('GET', `/containers/${id}/changes`)).json, [
      { Kind: 0, Path: '/etc' },
      { Kind: 1, Path: '/etc/new' },
      { Kind: 2, Path: '/etc/old' },
    ]);
  });

  it('remove volumes that nobody has: those without a name, or all', async () => {
    const make = (Name: string, Labels: object) => api.send('POST', '/volumes/create', { body: { Name, Labels } });
    await make('named', {});
    await make('nameless', { 'com.docker.volume.anonymous': '' });
    await make('data', { 'com.docker.volume.anonymous': '' });
    const gone = await api.send('POST', '/volumes/prune');
    assert.deepEqual(gone.json, { VolumesDeleted: ['nameless'], SpaceReclaimed: 7 });
    const kept = await api.send('POST', `/volumes/prune?${filters({ all: ['true'], label: ['keep'] })}`);
    assert.deepEqual(kept.json, { VolumesDeleted: null, SpaceReclaimed: 0 });
    const old = await api.send('POST', '/v1.41/volumes/prune');
    assert.deepEqual(old.json, { VolumesDeleted: ['named'], SpaceReclaimed: 7 });
  });

  it('of the cluster are made, listed, changed and removed beside the node’s own', async () => {
    const spec = { Group: 'g', AccessMode: { Scope: 'multi', Sharing: 'all', MountVolume: {} } };
    const body = { Name: 'shared', Driver: 'disk.csi', ClusterVolumeSpec: spec };
    const made = await api.send('POST', '/volumes/create', { body });
    assert.equal(made.status, 201);
    const listed = async (path: string) => {
      const { Volumes } = (await api.send('GET', path)).json as { Volumes: { Name: string }[] };
      return Volumes.some((v) => v.Name === 'shared');
    };
    assert.deepEqual([await listed('/volumes'), await listed('/v1.41/volumes')], [true, false]);
    const inspected = (await api.send('GET', '/volumes/shared')).json as {
      Scope: string;
      ClusterVolume: { ID: string; Version: { Index: number }; Spec: Record<string, unknown> };
    };
    assert.deepEqual([inspected.Scope, inspected.ClusterVolume.Spec.Group], ['global', 'g']);
    const { ID, Version, Spec } = inspected.ClusterVolume;
    const Paused = { ...Spec, Availability: 'pause' };
    const changed = await api.send('PUT', `/volumes/${ID}?version=${Version.Index}`, { body: { Spec: Paused } });
    assert.equal(changed.status, 200);
    const after = (await api.send('GET', '/volumes/shared')).json as typeof inspected;
    assert.equal(after.ClusterVolume.Spec.Availability, 'pause');
    const block = { ...body, Name: 'raw', ClusterVolumeSpec: { AccessMode: { BlockVolume: {} } } };
    assert.equal((await api.send('POST', '/volumes/create', { body: block })).status, 201);
    const raw = (await api.send('GET', '/volumes/raw')).json as typeof inspected;
    assert.deepEqual(raw.ClusterVolume.Spec.AccessMode, { Scope: 'single', Sharing: 'none', BlockVolume: {} });
    const both = { ...body, Name: 'both', ClusterVolumeSpec: { AccessMode: { BlockVolume: {}, MountVolume: {} } } };
    assert.equal((await api.send('POST', '/volumes/create', { body: both })).status, 400);
    assert.equal((await api.send('DELETE', '/volumes/raw')).status, 204);
    assert.equal((await api.send('DELETE', '/volumes/shared')).status, 204);
    assert.equal((await api.send('GET', '/volumes/shared')).status, 404);
    assert.equal((await api.send('POST', '/volumes/create', { body })).status, 201);
    for (const there of [true, false]) {
      assert.equal(await listed('/volumes'), there);
      assert.equal((await api.send('DELETE', '/volumes/shared?force=1')).status, 204);
    }
    api.backend.swarm.active = false;
    assert.equal((await api.send('POST', '/volumes/create', { body })).status, 503);
    api.backend.swarm.active = true;
  });

  it('change when they are the cluster’s alone', async () => {
    const put = async (query: string) => {
      const a = await api.send('PUT', `/volumes/data${query}`, { body: { Spec: {} } });
      return [a.status, a.json];
    };
    const missing = 'volume update only valid for cluster volumes, but swarm is unavailable';
    api.backend.swarm.active = false;
    assert.deepEqual(await put('?version=1'), [503, { message: missing }]);
    api.backend.swarm.active = true;
    assert.deepEqual(await put('?version=x'), [400, { message: "invalid swarm object version 'x'" }]);
    assert.deepEqual(await put('?version=1'), [404, { message: 'volume data not found' }]);
  });

  it('show where the files of images and containers are', async () => {
    const dataOf = async (path: string) =>
      ((await api.send('GET', path)).json as { GraphDriver: { Data: Record<string, string> } }).GraphDriver.Data;
    const container = await dataOf(`/containers/${'c'.repeat(64)}/json`);
    assert.deepEqual(container, {
      LowerDir: '/overlay/b/diff:/overlay/a/diff',
      MergedDir: '/containers/c/rootfs',
      UpperDir: '/containers/c/upper',
      WorkDir: '/containers/c/work',
    });
    const image = await dataOf('/images/alpine:3/json');
    assert.deepEqual([image.UpperDir, image.LowerDir], ['/overlay/b/diff', '/overlay/a/diff']);
  });

  it('remove what does not run any more', async () => {
    assert.deepEqual((await api.send('POST', '/containers/prune')).json, {
      ContainersDeleted: null,
      SpaceReclaimed: 0,
    });
    const id = 'c'.repeat(64);
    await api.send('POST', `/containers/${id}/stop`);
    const kept = await api.send('POST', `/containers/prune?${filters({ until: ['24h'] })}`);
    assert.deepEqual(kept.json, { ContainersDeleted: null, SpaceReclaimed: 0 });
    const gone = await api.send('POST', '/containers/prune');
    assert.deepEqual(gone.json, { ContainersDeleted: [id], SpaceReclaimed: 100 });
  });

  it('hand events on as they happen, and the kept ones since a time', async () => {
    const stream = await api.open('GET', `/events?${filters({ type: ['service'] })}`);
    const id = await create('web');
    const [chunk] = await once(stream, 'data');
    const live = JSON.parse(String(chunk)) as { Action: string; scope: string; Actor: { ID: string } };
    assert.deepEqual([live.Action, live.scope, live.Actor.ID], ['create', 'swarm', id]);
    const listeners = async () =>
      ((await api.send('GET', '/info')).json as { NEventsListener: number }).NEventsListener;
    assert.equal(await listeners(), 1);
    stream.destroy();
    // The server notices a moment later that the client is gone.
    while ((await listeners()) > 0) await new Promise((resolve) => setImmediate(resolve));
    api.backend.node.emit({ type: 'container', action: 'start', id: 'c1', attributes: { name: 'x' }, timeMs: NOW_MS });
    const kept = await api.send('GET', `/events?since=1&until=${NOW_MS / 1000 + 1}`);
    const types = String(kept.body)
      .trim()
      .split('\n')
      .map((l) => (JSON.parse(l) as { Type: string }).Type);
    assert.deepEqual(types, ['service', 'container']);
    const untilNow = await api.send('GET', `/events?until=${NOW_MS / 1000 + 1}`);
    assert.equal(String(untilNow.body), String(kept.body), 'an end alone asks for what there was');
    const never = await api.send('GET', '/events?since=20&until=10');
    assert.deepEqual(
      [never.status, never.json],
      [400, { message: '`since` time (20) cannot be after `until` time (10)' }],
    );
  });

  it('tell that the settings of the daemon were read again', async () => {
    const attributes = { name: 'one', debug: 'true' };
    for (const tell of api.backend.system.listeners)
      tell({ type: 'daemon', action: 'reload', id: 'engine-1', attributes, timeMs: NOW_MS });
    const query = `since=1&until=${NOW_MS / 1000 + 1}&${filters({ type: ['daemon'], daemon: ['one'] })}`;
    const told = JSON.parse(String((await api.send('GET', `/events?${query}`)).body)) as object;
    const Actor = { ID: 'engine-1', Attributes: { name: 'one', debug: 'true' } };
    assert.deepEqual(
      { ...told, time: 0, timeNano: 0 },
      { Type: 'daemon', Action: 'reload', Actor, scope: 'local', time: 0, timeNano: 0 },
    );
  });

  it('are counted and measured without those that somebody removes meanwhile', async () => {
    const { node, containers } = api.backend;
    node.containerList.push(container('gone', 'gone'));
    containers.sizes = async (ref) => {
      if (ref === 'gone') throw new SwarmtsError('not-found', 'No such container: gone');
      return { ownBytes: 1, totalBytes: 2 };
    };
    const listed = (await api.send('GET', '/containers/json?size=true')).json as { Id: string; SizeRw: number }[];
    assert.deepEqual(
      listed.map((x) => [x.Id, x.SizeRw]),
      [['c'.repeat(64), 1]],
    );
    const usage = (await api.send('GET', '/v1.43/system/df')).json as { Containers: { Id: string }[] };
    assert.deepEqual(
      usage.Containers.map((x) => x.Id),
      ['c'.repeat(64)],
    );
  });

  it('tell what was pruned, and go on where somebody else was faster', async () => {
    const { node } = api.backend;
    for (const name of ['gone', 'taken', 'stuck', 'old'])
      node.containerList.push({ ...container(name, name), state: 'exited' });
    const remove = node.removeContainer.bind(node);
    node.removeContainer = async (ref, force) => {
      if (ref === 'gone') throw new SwarmtsError('not-found', 'No such container: gone');
      if (ref === 'taken') throw new SwarmtsError('conflict', 'container is running');
      if (ref === 'stuck') throw new Error('EBUSY');
      await remove(ref, force);
    };
    const { ContainersDeleted } = (await api.send('POST', '/containers/prune')).json as { ContainersDeleted: string[] };
    assert.deepEqual(ContainersDeleted, ['old']);
    for (const kind of ['networks', 'volumes', 'images', 'build']) await api.send('POST', `/${kind}/prune`);
    const kept = await api.send('GET', `/events?since=1&until=${NOW_MS / 1000 + 181}&${filters({ event: ['prune'] })}`);
    const told = String(kept.body)
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l) as { Type: string; Actor: { ID: string; Attributes: { reclaimed: string } } });
    assert.deepEqual(
      told.map((e) => e.Type),
      ['container', 'network', 'volume', 'image', 'builder'],
    );
    assert.ok(told.every((e) => e.Actor.ID === '' && /^\d+$/.test(e.Actor.Attributes.reclaimed)));
  });

  it('go on behind the last event that a client got, nothing missing and nothing twice', async () => {
    const nanosOf = (text: string) => [...text.matchAll(/"timeNano":(\d+)/g)].map((m) => BigInt(m[1] ?? ''));
    for (let i = 0; i < 300; i++) await create(`s${i}`);
    const all = nanosOf(String((await api.send('GET', `/events?since=1&until=${NOW_MS / 1000 + 1}`)).body));
    assert.equal(all.length, 300, 'more than a node keeps of its own');
    assert.equal(new Set(all).size, 300);
    const next = (all[120] ?? 0n) + 1n;
    const since = `${next / 1_000_000_000n}.${String(next % 1_000_000_000n).padStart(9, '0')}`;
    const stream = await api.open('GET', `/events?since=${since}`);
    let got = '';
    stream.on('data', (chunk: Buffer) => {
      got += chunk.toString();
    });
    await create('last');
    while (nanosOf(got).length < 180) await once(stream, 'data');
    stream.destroy();
    assert.deepEqual(nanosOf(got).slice(0, 179), all.slice(121));
  });

  it('reach clients of HTTP/1.0, and behind other answers on a connection', async () => {
    const heard = async (request: string) => {
      const socket = connect(api.socket, () => socket.write(request));
      let text = '';
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      while (!text.includes('application/json')) await once(socket, 'data');
      api.backend.node.emit({ type: 'volume', action: 'create', id: 'v', attributes: {}, timeMs: NOW_MS });
      while (!text.includes('"ID":"v"')) await once(socket, 'data');
      socket.destroy();
      return text;
    };
    assert.match(await heard('GET /events HTTP/1.0\r\n\r\n'), /\r\n\r\n\{"Type":"volume"/);
    const behind = await heard('GET /_ping HTTP/1.1\r\nHost: x\r\n\r\nGET /events HTTP/1.1\r\nHost: x\r\n\r\n');
    assert.match(behind, /OK[\s\S]*\r\n\r\n[0-9a-f]+\r\n\{"Type":"volume"/);
  });
});
