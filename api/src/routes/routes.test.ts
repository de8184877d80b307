import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { SwarmtsError } from '@swarmts/lib';
import { Harness } from '../testing/harness.js';
import { container, DIGEST } from '../testing/memory-backend.js';
import { NODE_ID, NOW_MS } from '../testing/memory-swarm.js';

interface ServiceJson {
  readonly ID: string;
  readonly Version: { readonly Index: number };
  readonly Spec: { readonly TaskTemplate: { readonly ContainerSpec: { readonly Image: string } } };
  readonly ServiceStatus?: unknown;
  readonly PreviousSpec?: unknown;
}

const specOf = (name: string, image = 'alpine:3', replicas = 1) => ({
  Name: name,
  Labels: { tier: name },
  TaskTemplate: { ContainerSpec: { Image: image } },
  Mode: { Replicated: { Replicas: replicas } },
});
const filters = (value: unknown) => `filters=${encodeURIComponent(JSON.stringify(value))}`;
const authHeader = { 'X-Registry-Auth': Buffer.from('{"username":"u","password":"p"}').toString('base64url') };

describe('routes', () => {
  let api: Harness;
  beforeEach(async () => {
    api = await Harness.start();
  });
  afterEach(() => api.stop());

  const create = async (name: string, replicas = 1): Promise<string> => {
    const a = await api.send('POST', '/services/create', { body: specOf(name, 'alpine:3', replicas) });
    assert.equal(a.status, 201, String(a.body));
    return (a.json as { ID: string }).ID;
  };
  const service = async (ref: string) => (await api.send('GET', `/services/${ref}`)).json as ServiceJson;
  const names = async (path: string) =>
    ((await api.send('GET', path)).json as { Spec: { Name: string } }[]).map((s) => s.Spec.Name);

  it('list services by filter, in both forms of the parameter', async () => {
    await create('web');
    await create('web-api');
    await create('db');
    assert.deepEqual(await names('/services'), ['web', 'web-api', 'db']);
    assert.deepEqual(await names(`/services?${filters({ name: ['web'] })}`), ['web', 'web-api']);
    assert.deepEqual(await names(`/services?${filters({ name: { db: true } })}`), ['db']);
    assert.deepEqual(await names(`/services?${filters({ name: { db: false } })}`), ['db']);
    assert.deepEqual(await names(`/services?${filters({ label: ['tier=web'] })}`), ['web']);
    assert.deepEqual(await names(`/services?${filters({ mode: ['global'] })}`), []);
  });

  it('refuse filters that they do not know', async () => {
    for (const [path, f] of [
      ['/services', { color: ['red'] }],
      ['/services', { mode: ['x'] }],
      ['/tasks', { 'desired-state': ['x'] }],
      ['/nodes', { name: 'x' }],
    ] as const) {
      const a = await api.send('GET', `${path}?${filters(f)}`);
      assert.equal(a.status, 400, path);
      assert.match(String(a.body), /invalid filter/);
    }
    assert.equal((await api.send('GET', '/services?filters={')).status, 400);
  });

  it('count the tasks of services only when asked', async () => {
    const id = await create('web', 3);
    const [plain] = (await api.send('GET', '/services')).json as ServiceJson[];
    const [counted] = (await api.send('GET', '/services?status=true')).json as ServiceJson[];
    assert.equal(plain?.ServiceStatus, undefined);
    assert.deepEqual(counted?.ServiceStatus, { RunningTasks: 3, DesiredTasks: 3, CompletedTasks: 0 });
    assert.equal(counted?.ID, id);
  });

  it('list what an inspect shows, whatever was listed before', async () => {
    const id = await create('web', 2);
    const listed = async () => ((await api.send('GET', '/services')).json as ServiceJson[])[0];
    assert.deepEqual(await listed(), await service(id));
    const { Version } = await service(id);
    await api.send('POST', `/services/${id}/update?version=${Version.Index}`, { body: specOf('web', 'alpine:4') });
    assert.deepEqual(await listed(), await service(id));
    assert.equal((await listed())?.Spec.TaskTemplate.ContainerSpec.Image, 'alpine:4');
    for (const task of (await api.send('GET', '/tasks')).json as { ID: string }[])
      assert.deepEqual((await api.send('GET', `/tasks/${task.ID}`)).json, task);
  });

  it('list what does not go into one piece', async () => {
    await create('web', 1234);
    const tasks = (await api.send('GET', '/tasks')).json as { ID: string; Slot: number }[];
    assert.deepEqual(
      tasks.map((t) => t.Slot),
      Array.from({ length: 1234 }, (_, i) => i + 1),
    );
  });

  it('update with the version that was read, and roll back', async () => {
    const id = await create('web');
    const before = await service('web');
    const update = (version: number, query = '') =>
      api.send('POST', `/services/${id}/update?version=${version}${query}`, { body: specOf('web', 'alpine:4') });
    assert.deepEqual((await update(before.Version.Index)).json, { Warnings: null });
    const after = await service(id);
    assert.equal(after.Spec.TaskTemplate.ContainerSpec.Image, 'alpine:4');
    assert.ok(after.PreviousSpec);
    const stale = await update(before.Version.Index);
    assert.equal(stale.status, 400);
    assert.match(String(stale.body), /update out of sequence/);
    assert.equal((await update(after.Version.Index, '&rollback=next')).status, 400);
    assert.equal((await api.send('POST', `/services/${id}/update`, { body: specOf('web') })).status, 400);
    assert.equal((await update(after.Version.Index, '&rollback=previous')).status, 200);
    assert.equal((await service(id)).Spec.TaskTemplate.ContainerSpec.Image, 'alpine:3');
  });

  it('keep the credentials of a service over an update without any', async () => {
    const { ID } = (await api.send('POST', '/services/create', { body: specOf('web'), headers: authHeader })).json as {
      ID: string;
    };
    const stored = async () => (await api.backend.swarm.service(ID)).service.spec?.task?.container?.registryAuth ?? '';
    assert.equal(await stored(), authHeader['X-Registry-Auth']);
    const { Version } = await service(ID);
    await api.send('POST', `/services/${ID}/update?version=${Version.Index}`, { body: specOf('web', 'alpine:4') });
    assert.equal(await stored(), authHeader['X-Registry-Auth']);
    assert.equal(String((await api.send('GET', `/services/${ID}`)).body).includes('registryAuth'), false);
  });

  it('pin images for old clients only, and say when no registry answered', async () => {
    const image = async (path: string, name: string, ref: string) => {
      const a = await api.send('POST', `${path}/services/create`, { body: specOf(name, ref) });
      return {
        answer: a.json as { Warnings?: string[] },
        image: (await service(name)).Spec.TaskTemplate.ContainerSpec.Image,
      };
    };
    assert.equal((await image('/v1.29', 'old', 'alpine:3')).image, `alpine:3@${DIGEST}`);
    assert.equal((await image('/v1.30', 'new', 'alpine:3')).image, 'alpine:3');
    const unknown = await image('/v1.29', 'unknown', 'nowhere:1');
    assert.equal(unknown.image, 'nowhere:1');
    assert.match(unknown.answer.Warnings?.[0] ?? '', /could not be accessed on a registry to record/);
  });

  it('answer questions about digests, with slashes in names', async () => {
    api.backend.images.registry.add('registry.test:5000/a/b:1');
    const a = await api.send('GET', '/distribution/registry.test:5000/a/b:1/json', { headers: authHeader });
    assert.equal((a.json as { Descriptor: { digest: string } }).Descriptor.digest, DIGEST);
    assert.deepEqual(api.backend.images.lastAuth, { username: 'u', password: 'p' });
    assert.equal((await api.send('GET', '/distribution/none/json')).status, 404);
    const bad = await api.send('GET', '/distribution/alpine:3/json', { headers: { 'X-Registry-Auth': 'e3t7' } });
    assert.equal(bad.status, 400);
  });

  it('find tasks by names of services and nodes', async () => {
    const id = await create('web', 2);
    await create('db');
    const count = async (f: unknown) => ((await api.send('GET', `/tasks?${filters(f)}`)).json as unknown[]).length;
    assert.equal(await count({ service: ['web'] }), 2);
    assert.equal(await count({ service: [id], node: ['one'] }), 2);
    for (const unknown of [{ service: ['none'] }, { node: ['none'] }])
      assert.equal((await api.send('GET', `/tasks?${filters(unknown)}`)).status, 404);
    assert.equal(await count({ node: ['self'] }), 3);
    assert.equal(await count({ 'desired-state': ['shutdown'] }), 0);
    assert.equal(await count({ name: ['web.2'] }), 1);
    assert.equal(await count({ 'up-to-date': ['true'], service: ['web'] }), 2);
  });

  it('frame the log of a service, with the labels that clients read', async () => {
    const id = await create('web');
    const at = { taskId: 't1', nodeId: NODE_ID, serviceId: id, timeNs: BigInt(NOW_MS) * 1_000_000n + 7n };
    api.backend.swarm.logLines.push(
      { ...at, stream: 'stdout', data: Buffer.from('out\n'), attributes: { asdf: 'a b' } },
      { warning: 'node two is not available' },
      { ...at, stream: 'stderr', data: Buffer.from('no newline'), attributes: {} },
    );
    const a = await api.send('GET', `/services/web/logs?stdout=1&stderr=1&details=1&timestamps=1`);
    assert.equal(a.headers['content-type'], 'application/vnd.docker.multiplexed-stream');
    const labels = `com.docker.swarm.node.id=${NODE_ID},com.docker.swarm.service.id=${id},com.docker.swarm.task.id=t1`;
    const [first, second, third, ...rest] = frames(a.body);
    assert.deepEqual(first, [1, `2026-01-02T03:04:05.000000007Z asdf=a%20b,${labels} out\n`]);
    assert.deepEqual(second, [2, `2026-01-02T03:04:05.000000007Z ${labels} no newline`]);
    assert.equal(third?.[0], 3);
    assert.match(third?.[1] ?? '', /incomplete log stream.*node two is not available/);
    assert.deepEqual(rest, []);
    assert.equal((await api.send('GET', '/services/web/logs')).status, 400);
    const { swarm } = api.backend;
    const logs = swarm.logs.bind(swarm);
    swarm.logs = () => Promise.reject(new SwarmtsError('no-leader', 'nobody leads'));
    const early = await api.send('GET', '/services/web/logs?stdout=1&follow=1');
    assert.equal(early.status, 503, 'nothing is said before it is known which tasks there are');
    swarm.logs = logs;
    const old = await api.send('GET', '/v1.41/services/web/logs?stdout=1');
    assert.equal(old.headers['content-type'], 'application/vnd.docker.raw-stream');
  });

  it('send the log of a terminal without frames', async () => {
    const [first] = api.backend.node.containerList;
    assert.ok(first);
    api.backend.node.containerList[0] = { ...first, tty: true };
    api.backend.node.logLines.push({ stream: 'stdout', timeNs: 0n, data: Buffer.from('plain\n') });
    assert.equal(String((await api.send('GET', '/containers/web.1.task/logs?stdout=1')).body), 'plain\n');
  });

  it('send what the log driver shows of a container, behind the time', async () => {
    const [first] = api.backend.node.containerList;
    assert.ok(first);
    const logAttributes = { tag: 'a b', env: '1,2' };
    api.backend.node.containerList[0] = { ...first, tty: true, logAttributes };
    api.backend.node.logLines.push({ stream: 'stdout', timeNs: 0n, data: Buffer.from('plain\n') });
    const lines = async (more: string) =>
      String((await api.send('GET', `/containers/web.1.task/logs?stdout=1&details=1${more}`)).body);
    assert.equal(await lines(''), 'env=1%2C2,tag=a%20b plain\n');
    assert.equal(await lines('&timestamps=1'), '1970-01-01T00:00:00.000000000Z env=1%2C2,tag=a%20b plain\n');
    api.backend.node.containerList[0] = { ...first, tty: true, logAttributes: {} };
    assert.equal(await lines(''), ' plain\n');
  });

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

  it('keep the data of secrets to themselves and show that of configs', async () => {
    const Data = Buffer.from('payload').toString('base64');
    await api.send('POST', '/secrets/create', { body: { Name: 's', Data } });
    await api.send('POST', '/configs/create', { body: { Name: 'c', Data } });
    assert.equal(String((await api.send('GET', '/secrets/s')).body).includes(Data), false);
    assert.equal(((await api.send('GET', '/configs/c')).json as { Spec: { Data: string } }).Spec.Data, Data);
    assert.equal((await api.send('DELETE', '/secrets/s')).status, 204);
    assert.equal((await api.send('GET', '/secrets/s')).status, 404);
  });

  it('list the certificates of clients, and take them back', async () => {
    const path = '/swarmts/v1/client-certificates';
    for (const Name of ['ann', 'rob']) await api.send('POST', path, { body: { Name, Role: 'admin' } });
    const revoked = (await api.send('POST', `${path}/rob/revoke`)).json as { Serial: string; RevokedAt: string }[];
    assert.deepEqual(
      revoked.map((c) => c.RevokedAt),
      [new Date(NOW_MS).toISOString()],
    );
    const listed = (await api.send('GET', path)).json as { Name: string; RevokedAt?: string }[];
    assert.deepEqual(
      listed.map((c) => [c.Name, c.RevokedAt !== undefined]),
      [
        ['ann', false],
        ['rob', true],
      ],
    );
    assert.equal((await api.send('POST', `${path}/eve/revoke`)).status, 404);
  });

  it('change nodes by version, and rotate one join token alone', async () => {
    const node = (await api.send('GET', '/nodes/self')).json as { Version: { Index: number } };
    const body = { Role: 'manager', Availability: 'drain', Labels: {} };
    const path = `/nodes/one/update?version=${node.Version.Index}`;
    assert.equal((await api.send('POST', path, { body: { ...body, Availability: 'x' } })).status, 400);
    const { Role, ...withoutRole } = body;
    const refused = await api.send('POST', path, { body: withoutRole });
    assert.equal(refused.status, 400, `without ${Role} it would be a worker`);
    assert.match((refused.json as { message: string }).message, /^invalid Role: ""/);
    assert.equal((await api.send('POST', path, { body })).status, 200);
    const after = (await api.send('GET', '/nodes/one')).json as { Spec: { Availability: string } };
    assert.equal(after.Spec.Availability, 'drain');
    const swarm = (await api.send('GET', '/swarm')).json as { Version: { Index: number } };
    await api.send('POST', `/swarm/update?version=${swarm.Version.Index}&rotateWorkerToken=true`, { body: {} });
    const { JoinTokens } = (await api.send('GET', '/swarm')).json as { JoinTokens: unknown };
    assert.deepEqual(JoinTokens, { Worker: 'SWMTKN-1-w2', Manager: 'SWMTKN-1-m' });
  });

  it('show the networks of every node without a manager, and make some there', async () => {
    api.backend.swarm.active = false;
    const names = async () => ((await api.send('GET', '/networks')).json as { Name: string }[]).map((n) => n.Name);
    assert.deepEqual(await names(), ['bridge', 'host', 'none']);
    assert.equal((await api.send('POST', '/networks/create', { body: { Name: 'x' } })).status, 201);
    assert.deepEqual(await names(), ['bridge', 'host', 'none', 'x']);
    assert.equal((await api.send('POST', '/networks/create', { body: { Name: 'y', Driver: 'overlay' } })).status, 503);
    assert.equal((await api.send('DELETE', '/networks/x')).status, 204);
    assert.equal((await api.send('DELETE', '/networks/host')).status, 403);
  });

  it('make, show and remove networks of the swarm', async () => {
    const body = {
      Name: 'back',
      Driver: 'overlay',
      Attachable: true,
      IPAM: { Config: [{ Subnet: '10.9.0.0/24', Gateway: '10.9.0.1', AuxiliaryAddresses: { printer: '10.9.0.9' } }] },
      Options: { 'com.docker.network.driver.mtu': '1400' },
    };
    const { Id } = (await api.send('POST', '/networks/create', { body })).json as { Id: string };
    const shown = (await api.send('GET', '/networks/back?scope=swarm')).json as Record<string, unknown>;
    assert.equal(shown.Id, Id);
    assert.equal(shown.Scope, 'swarm');
    assert.deepEqual((shown.IPAM as { Config: unknown }).Config, body.IPAM.Config);
    const filters = encodeURIComponent(JSON.stringify({ driver: ['overlay'], name: ['back'] }));
    assert.equal(((await api.send('GET', `/networks?filters=${filters}`)).json as unknown[]).length, 1);
    assert.equal((await api.send('DELETE', '/networks/back')).status, 204);
    assert.equal((await api.send('GET', '/networks/back')).status, 404);
  });

  it('say what is wrong with the scope of a network, and with an overlay that only configures', async () => {
    const refusal = async (body: Readonly<Record<string, unknown>>) => {
      const { status, json } = await api.send('POST', '/networks/create', { body: { Name: 'n', ...body } });
      return `${status} ${(json as { message: string }).message}`;
    };
    assert.match(await refusal({ Driver: 'overlay', ConfigOnly: true }), /^400 --config-only .* overlay networks are/);
    assert.match(await refusal({ Scope: 'foo' }), /^400 invalid scope "foo": use local or swarm/);
    assert.equal((await api.send('GET', '/networks/n')).status, 404);
  });

  it('take external CAs of a new swarm and of a present one, and refuse protocols that are not spoken', async () => {
    const spec = (Protocol: string) => ({
      CAConfig: { ExternalCAs: [{ Protocol, URL: 'https://ca.example', Options: { a: 'b' }, CACert: 'PEM' }] },
    });
    const send = async (path: string, body: object) => {
      const answer = await api.send('POST', path, { body });
      return `${answer.status} ${answer.status === 200 ? '' : (answer.json as { message: string }).message}`;
    };
    const shown = async () =>
      (await api.send('GET', '/swarm')).json as {
        readonly Version: { readonly Index: number };
        readonly Spec: { readonly CAConfig: { readonly ExternalCAs?: unknown } };
      };
    const update = async (body: object) => send(`/swarm/update?version=${(await shown()).Version.Index}`, body);
    assert.match(await update(spec('CFSSL')), /^200/);
    assert.deepEqual((await shown()).Spec.CAConfig.ExternalCAs, spec('cfssl').CAConfig.ExternalCAs);
    assert.match(await update({ Orchestration: {} }), /^200/);
    assert.notEqual((await shown()).Spec.CAConfig.ExternalCAs, undefined, 'nothing was said of the CA');
    assert.match(await update({ CAConfig: {} }), /^200/);
    assert.equal((await shown()).Spec.CAConfig.ExternalCAs, undefined, 'what is left out is gone');
    const refused = /^400 invalid protocol: "acme" of an external CA: use cfssl/;
    assert.match(await update(spec('acme')), refused);
    assert.match(await update({ CAConfig: { SigningCAKey: 'k' } }), /^400 .*signing CA cert must also be provided/);
    api.backend.swarm.active = false;
    const ListenAddr = '0.0.0.0:2377';
    assert.match(await send('/swarm/init', { ListenAddr, Spec: spec('acme') }), refused);
    assert.match(await send('/swarm/init', { ListenAddr, Spec: spec('cfssl') }), /^200/);
  });

  it('make or join no swarm without the addresses that it needs', async () => {
    api.backend.swarm.active = false;
    const refusal = async (path: string, body: object) => {
      const { status, json } = await api.send('POST', path, { body });
      return `${status} ${(json as { message: string }).message}`;
    };
    const noListen = '400 invalid ListenAddr "": invalid empty address';
    assert.equal(await refusal('/swarm/init', { ListenAddr: '' }), noListen);
    assert.equal(await refusal('/swarm/join', {}), noListen);
    const ListenAddr = '0.0.0.0:2377';
    assert.equal(await refusal('/swarm/join', { ListenAddr }), '400 at least 1 RemoteAddr is required to join');
    const RemoteAddrs = ['10.0.0.1:2377', ''];
    const refused = await refusal('/swarm/join', { ListenAddr, RemoteAddrs });
    assert.equal(refused, '400 invalid remoteAddr "": invalid empty address');
  });

  it('give the node’s own networks to services by their names', async () => {
    const shown = (await api.send('GET', '/networks/host?scope=swarm')).json as { Id: string; Scope: string };
    assert.deepEqual([shown.Id, shown.Scope], ['host', 'swarm']);
  });

  it('join containers to networks and take them off', async () => {
    await api.send('POST', '/networks/create', { body: { Name: 'x' } });
    const at = { Container: 'web.1.task', EndpointConfig: { Aliases: ['db'] } };
    assert.equal((await api.send('POST', '/networks/x/connect', { body: at })).status, 200);
    const inspect = (await api.send('GET', '/networks/x')).json as { Containers: Record<string, { Name: string }> };
    assert.deepEqual(
      Object.values(inspect.Containers).map((c) => c.Name),
      ['web.1.task'],
    );
    assert.equal((await api.send('POST', '/networks/prune')).status, 200);
    assert.equal((await api.send('GET', '/networks/x')).status, 200, 'one in use is kept');
    assert.equal((await api.send('POST', '/networks/x/disconnect', { body: { Container: 'web.1.task' } })).status, 200);
    const pruned = (await api.send('POST', '/networks/prune')).json as { NetworksDeleted: string[] };
    assert.ok(pruned.NetworksDeleted.includes('x'));
  });

  it('tell what takes room of the kinds that are asked for', async () => {
    const keys = async (query: string) => {
      const a = await api.send('GET', `/v1.43/system/df${query}`);
      return a.status === 200 ? Object.keys(a.json as object) : `${a.status} ${a.body}`;
    };
    assert.deepEqual(await keys(''), ['LayersSize', 'Images', 'Containers', 'Volumes', 'BuildCache']);
    assert.deepEqual(await keys('?type=volume&type=container'), ['Containers', 'Volumes']);
    assert.match(String(await keys('?type=nope')), /^400 .*unknown object type: nope/);
  });
});

/** [stream, text] of each frame. */
function frames(body: Buffer): [number, string][] {
  const out: [number, string][] = [];
  for (let at = 0; at < body.byteLength; ) {
    const size = body.readUInt32BE(at + 4);
    out.push([body[at] ?? 0, body.subarray(at + 8, at + 8 + size).toString()]);
    at += 8 + size;
  }
  return out;
}
