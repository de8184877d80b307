import assert from 'node:assert/strict';
import { SwarmtsError } from '@swarmts/lib';
import { Harness } from '../testing/harness.js';
import { DIGEST } from '../testing/memory-backend.js';
import { NODE_ID, NOW_MS } from '../testing/memory-swarm.js';
import { authHeader, createService, filters, specOf } from '../testing/requests.js';

interface ServiceJson {
  readonly ID: string;
  readonly Version: { readonly Index: number };
  readonly Spec: { readonly TaskTemplate: { readonly ContainerSpec: { readonly Image: string } } };
  readonly ServiceStatus?: unknown;
  readonly PreviousSpec?: unknown;
}

describe('routes', () => {
  let api: Harness;
  beforeEach(async () => {
    api = await Harness.start();
  });
  afterEach(() => api.stop());

  const create = (name: string, replicas?: number) => createService(api, name, replicas);
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

  it('make networks of the swarm whose settings each node has itself', async () => {
    const body = { Name: 'wire', Driver: 'macvlan', Scope: 'swarm', ConfigFrom: { Network: 'cfg' }, Attachable: true };
    assert.equal((await api.send('POST', '/networks/create', { body })).status, 201);
    const shown = (await api.send('GET', '/networks/wire')).json as Record<string, unknown>;
    assert.deepEqual([shown.Scope, shown.Driver, shown.ConfigFrom], ['swarm', 'macvlan', { Network: 'cfg' }]);
    assert.equal((await api.send('DELETE', '/networks/wire')).status, 204);
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
