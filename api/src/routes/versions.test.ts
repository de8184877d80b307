/** What a client gets, and may ask for, by the version of the API that it speaks. */
import assert from 'node:assert/strict';
import type { ContainerCreate } from '../backend.js';
import { Harness } from '../testing/harness.js';
import { container } from '../testing/memory-backend.js';

const ID = 'd'.repeat(64);

describe('by version of the API', () => {
  let api: Harness;
  beforeEach(async () => {
    api = await Harness.start();
    const [network] = container(ID, 'x').networks;
    assert.ok(network);
    const shortId = ID.slice(0, 12);
    api.backend.node.containerList.push({
      ...container(ID, 'x'),
      networks: [{ ...network, name: 'back', aliases: ['a'], dnsNames: ['x', 'a', shortId] }],
      settings: { annotations: { note: 'y' } },
      given: { config: { MacAddress: '02:00:00:00:00:01' }, hostConfig: {} },
    });
  });
  afterEach(() => api.stop());

  const get = async <T>(version: string, path: string): Promise<T> => {
    const answer = await api.send('GET', `/v${version}${path}`);
    assert.equal(answer.status, 200, String(answer.body));
    return answer.json as T;
  };

  interface Endpoint {
    readonly Aliases: readonly string[];
    readonly DNSNames?: readonly string[];
    readonly GwPriority?: number;
  }
  interface Inspected {
    readonly Config: Readonly<Record<string, unknown>>;
    readonly NetworkSettings: { readonly Networks: Readonly<Record<string, Endpoint>> };
  }

  it('endpoints tell of names and gateways', async () => {
    const endpoint = async (version: string) => {
      const { NetworkSettings } = await get<Inspected>(version, `/containers/${ID}/json`);
      const [{ Aliases, DNSNames, GwPriority } = assert.fail()] = Object.values(NetworkSettings.Networks);
      return [Aliases.length, DNSNames?.length, GwPriority];
    };
    assert.deepEqual(await endpoint('1.43'), [2, undefined, undefined]);
    assert.deepEqual(await endpoint('1.44'), [2, 3, undefined]);
    assert.deepEqual(await endpoint('1.45'), [1, 3, undefined]);
    assert.deepEqual(await endpoint('1.48'), [1, 3, 0]);
  });

  it('the MAC address belongs to the container or to the endpoint', async () => {
    const mac = async (version: string) =>
      (await get<Inspected>(version, `/containers/${ID}/json`)).Config.MacAddress ?? 'none';
    assert.deepEqual([await mac('1.51'), await mac('1.52')], ['02:00:00:00:00:01', 'none']);
  });

  it('lists of containers have annotations', async () => {
    const annotations = async (version: string) => {
      const found = await get<readonly { readonly Id: string; readonly HostConfig: object }[]>(
        version,
        '/containers/json?all=1',
      );
      return found.find((c) => c.Id === ID)?.HostConfig;
    };
    assert.deepEqual(await annotations('1.45'), { NetworkMode: 'default' });
    assert.deepEqual(await annotations('1.46'), { NetworkMode: 'default', Annotations: { note: 'y' } });
  });

  it('mounts are forced to be read-only with what is below them by those who know that they can', async () => {
    const mount = {
      Type: 'bind',
      Source: '/',
      Target: '/x',
      ReadOnly: true,
      BindOptions: { ReadOnlyForceRecursive: true },
    };
    const body = { Image: 'alpine:3', HostConfig: { Mounts: [mount] } };
    const old = await api.send('POST', '/v1.43/containers/create', { body });
    const message = 'BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer';
    assert.deepEqual([old.status, old.json], [400, { message }]);
    assert.equal((await api.send('POST', '/v1.44/containers/create', { body })).status, 201);
  });

  it('images are mounted', async () => {
    const mount = { Type: 'image', Source: 'alpine:3', Target: '/x', ImageOptions: { Subpath: 'bin' } };
    const create = (version: string, more: object = {}) => {
      const body = { Image: 'alpine:3', HostConfig: { Mounts: [{ ...mount, ...more }] } };
      return api.send('POST', `/v${version}/containers/create`, { body });
    };
    const message = 'invalid mount config for type "image": mount type unknown';
    assert.deepEqual((await create('1.47')).json, { message });
    assert.equal((await create('1.48')).status, 201);
    const wrong = async (more: object) => ((await create('1.48', more)).json as { message: string }).message;
    assert.match(await wrong({ Source: '' }), /field Source must not be empty$/);
    assert.match(await wrong({ Type: 'bind', Source: '/' }), /field ImageOptions must not be specified$/);
  });

  it('a container is made on one network or on several', async () => {
    const body = {
      Image: 'alpine:3',
      HostConfig: { NetworkMode: 'a' },
      NetworkingConfig: { EndpointsConfig: { b: {}, a: {} } },
    };
    const old = await api.send('POST', '/v1.43/containers/create', { body });
    const message = 'Container cannot be connected to network endpoints: a, b';
    assert.deepEqual([old.status, old.json], [400, { message }]);
    assert.equal((await api.send('POST', '/v1.44/containers/create', { body })).status, 201);
    const onOne = { Image: 'alpine:3', NetworkingConfig: { EndpointsConfig: { a: {} } } };
    assert.equal((await api.send('POST', '/v1.43/containers/create', { body: onOne })).status, 201);
    const { node } = api.backend;
    const make = node.createContainer.bind(node);
    const priorities: (number | undefined)[] = [];
    node.createContainer = (c) => {
      priorities.push(c.networks?.[0]?.gatewayPriority);
      return make(c);
    };
    for (const version of ['1.47', '1.48']) {
      const EndpointsConfig = { a: { GwPriority: 5 } };
      await api.send('POST', `/v${version}/containers/create`, {
        body: { ...body, NetworkingConfig: { EndpointsConfig } },
      });
    }
    assert.deepEqual(priorities, [undefined, 5]);
    const empty = await api.send('POST', '/containers/create', { body: {} });
    const cannot = 'Config cannot be empty in order to create a container';
    assert.deepEqual([empty.status, empty.json], [400, { message: cannot }]);
  });

  it('options of a tmpfs are words, or keys and values', async () => {
    const create = async (Options: unknown) =>
      api.send('POST', '/containers/create', {
        body: {
          Image: 'alpine:3',
          HostConfig: { Mounts: [{ Type: 'tmpfs', Target: '/t', TmpfsOptions: { Options } }] },
        },
      });
    const { node } = api.backend;
    const make = node.createContainer.bind(node);
    let made: readonly string[] | undefined;
    node.createContainer = (c) => {
      made = c.mounts[0]?.tmpfsOptions;
      return make(c);
    };
    assert.equal((await create([['noexec'], ['uid', '5']])).status, 201);
    assert.deepEqual(made, ['noexec', 'uid=5']);
    for (const wrong of ['noexec', [[]], [['a', 'b', 'c']], [['a', 5]]]) {
      assert.match(String((await create(wrong)).body), /list of one or two texts/);
    }
  });

  it('the node tells of its commits, its bridges and its devices', async () => {
    interface Info {
      readonly RuncCommit: object;
      readonly BridgeNfIptables?: boolean;
      readonly CDISpecDirs?: readonly string[];
      readonly FirewallBackend?: object;
      readonly DiscoveredDevices?: readonly object[];
      readonly Runtimes: Readonly<Record<string, object>>;
      readonly NFd: number;
    }
    const info = async (version: string) => get<Info>(version, '/info');
    const before = await info('1.43');
    assert.deepEqual([before.RuncCommit, before.BridgeNfIptables], [{ ID: '', Expected: '' }, true]);
    assert.deepEqual([before.CDISpecDirs, before.Runtimes.runc], [undefined, { path: 'runc' }]);
    assert.deepEqual([before.FirewallBackend, before.DiscoveredDevices], [undefined, undefined]);
    assert.equal(before.NFd, 21);
    const now = await info('1.50');
    assert.deepEqual([now.RuncCommit, now.BridgeNfIptables], [{ ID: '' }, undefined]);
    assert.deepEqual([now.CDISpecDirs, now.Runtimes.runc], [['/etc/cdi'], { path: 'runc', status: {} }]);
    assert.deepEqual(now.FirewallBackend, { Driver: 'nftables' });
    assert.deepEqual(now.DiscoveredDevices, [{ Source: 'cdi', ID: 'example.com/gpu=0' }]);
  });

  it('networks tell whether they have addresses of IPv4', async () => {
    const families = async (version: string) => {
      const [listed = assert.fail()] = await get<readonly { readonly EnableIPv4?: boolean }[]>(version, '/networks');
      const { EnableIPv4 } = await get<{ readonly EnableIPv4?: boolean }>(version, '/networks/bridge');
      return [listed.EnableIPv4, EnableIPv4];
    };
    assert.deepEqual(await families('1.47'), [undefined, undefined]);
    assert.deepEqual(await families('1.48'), [true, true]);
  });

  it('images tell of their users, and of their containers’ settings alone', async () => {
    const image = async (version: string) => {
      const { Config } = await get<{ readonly Config: object }>(version, '/images/alpine:3/json');
      const [listed = assert.fail()] = await get<readonly { readonly Containers: number }[]>(version, '/images/json');
      return ['Hostname' in Config, 'Cmd' in Config, listed.Containers];
    };
    assert.deepEqual(await image('1.49'), [true, true, -1]);
    assert.deepEqual(await image('1.50'), [false, true, -1]);
    const [hostname, cmd, users] = await image('1.51');
    assert.deepEqual([hostname, cmd, Number(users) > 0], [false, true, true]);
  });

  it('an image is of one platform', async () => {
    const other = encodeURIComponent('{"os":"linux","architecture":"riscv64","variant":"v1"}');
    const own = encodeURIComponent('{"os":"linux","architecture":"amd64"}');
    const ask = async (method: string, path: string) => {
      const { status, body } = await api.send(method, path);
      return [status, /does not provide the specified platform \(linux\/riscv64\/v1\)/.test(String(body))];
    };
    const paths = [
      ['GET', '/images/alpine:3/json?platform='],
      ['GET', '/images/alpine:3/history?platform='],
      ['GET', '/images/alpine:3/get?platform='],
      ['GET', '/images/get?names=alpine:3&platform='],
      ['POST', '/images/alpine/push?tag=3&platform='],
    ] as const;
    for (const [method, path] of paths) {
      assert.deepEqual(await ask(method, `${path}${other}`), [404, true], path);
      assert.deepEqual(await ask(method, `${path}${own}`), [200, false], path);
      assert.deepEqual(await ask(method, `/v1.45${path}${other}`), [200, false], path);
    }
    assert.deepEqual(await ask('DELETE', `/images/alpine:3?platforms=${other}`), [404, true]);
    for (const wrong of ['linux', '[]x', '{"os":5}', '{"os":"linux"}', '5']) {
      const answer = await api.send('GET', `/images/alpine:3/json?platform=${encodeURIComponent(wrong)}`);
      assert.match(String(answer.body), /^\{"message":"invalid platform/);
    }
  });

  it('a container has no address of hardware beside those of its networks', async () => {
    const create = async (version: string, networks: object) => {
      const body = {
        Image: 'alpine:3',
        MacAddress: '02:00:00:00:00:05',
        NetworkingConfig: { EndpointsConfig: networks },
      };
      const { status, json } = await api.send('POST', `/v${version}/containers/create`, { body });
      const { Warnings, message } = json as { readonly Warnings?: readonly string[]; readonly message?: string };
      return [status, message ?? Warnings?.[0] ?? ''] as const;
    };
    assert.deepEqual(await create('1.43', {}), [201, '']);
    const [status, warning] = await create('1.44', {});
    assert.deepEqual([status, /MacAddress field is now deprecated/.test(warning)], [201, true]);
    const [refused, why] = await create('1.44', { bridge: { MacAddress: '02:00:00:00:00:06' } });
    assert.deepEqual([refused, /must match the endpoint-specific MAC address/.test(why)], [400, true]);
    assert.equal((await create('1.51', { bridge: { MacAddress: '02-00-00-00-00-05' } }))[0], 201);
    const [gone, way] = await create('1.52', {});
    assert.deepEqual([gone, /use endpoint-specific MAC address instead/.test(way)], [400, true]);
  });

  it('who makes a container is told what will have no effect', async () => {
    const warnings = async (version: string, HostConfig: object) => {
      const body = { Image: 'alpine:3', HostConfig };
      const { json } = await api.send('POST', `/v${version}/containers/create`, { body });
      return (json as { readonly Warnings: readonly string[] }).Warnings.join();
    };
    const mount = { Type: 'volume', Target: '/d' };
    const withDriver = { ...mount, VolumeOptions: { DriverConfig: { Name: 'local' } } };
    assert.equal(await warnings('1.47', { VolumeDriver: 'local', Mounts: [mount] }), '');
    assert.match(
      await warnings('1.48', { VolumeDriver: 'local', Mounts: [mount] }),
      /volume-driver configuration is ignored/,
    );
    assert.equal(await warnings('1.48', { VolumeDriver: 'local', Mounts: [withDriver] }), '');
    assert.equal(await warnings('1.51', { PortBindings: { '80/tcp': [] } }), '');
    const PortBindings = { '80/tcp': [], '81/tcp': null, '82/tcp': [{}] };
    assert.match(await warnings('1.52', { PortBindings }), /empty list of port-bindings: 80\/tcp, 81\/tcp\. Such/);
  });

  it('images leave out what is empty', async () => {
    const keys = async (version: string) => {
      const image = await get<{ readonly Config: object }>(version, '/images/alpine:3/json');
      return ['Author' in image, 'DockerVersion' in image, 'OnBuild' in image.Config, 'Cmd' in image.Config];
    };
    assert.deepEqual(await keys('1.51'), [true, true, true, true]);
    assert.deepEqual(await keys('1.52'), [false, false, false, true]);
  });

  it('containers tell of their health in lists, and nothing of triggers that they have none of', async () => {
    const listed = async (version: string) => (await get<readonly object[]>(version, '/containers/json'))[0] ?? {};
    assert.ok(!('Health' in (await listed('1.51'))));
    assert.deepEqual((await listed('1.52')) as { Health?: object }, {
      ...(await listed('1.51')),
      Health: { Status: 'healthy', FailingStreak: 0 },
    });
    const config = async (version: string) => (await get<Inspected>(version, `/containers/${ID}/json`)).Config;
    assert.deepEqual(['OnBuild' in (await config('1.51')), 'OnBuild' in (await config('1.52'))], [true, false]);
    const stats = async (version: string) => get<object>(version, `/containers/${ID}/stats?stream=0&one-shot=1`);
    assert.deepEqual(['os_type' in (await stats('1.51')), 'os_type' in (await stats('1.52'))], [false, true]);
  });

  it('what the disk holds is listed, summed up, or both', async () => {
    interface Usage {
      readonly Images?: readonly object[];
      readonly ImageUsage?: { readonly TotalCount: number; readonly Items?: readonly object[] };
      readonly ContainerUsage?: Readonly<Record<string, number>>;
      readonly BuildCacheUsage?: object;
    }
    const usage = (version: string, query = '') => get<Usage>(version, `/system/df${query}`);
    api.backend.node.containerList.push({ ...container('f'.repeat(64), 'idle'), state: 'exited' });
    const old = await usage('1.51', '?verbose=1');
    assert.deepEqual([old.ImageUsage, (old.Images?.length ?? 0) > 0], [undefined, true]);
    const both = await usage('1.52');
    assert.deepEqual(both.Images, old.Images);
    assert.deepEqual([both.ImageUsage?.TotalCount, both.ImageUsage?.Items], [old.Images?.length, undefined]);
    // As the backend has it: each container has written 100 bytes.
    const sums = { ActiveCount: 2, TotalCount: 3, TotalSize: 300, Reclaimable: 100 };
    assert.deepEqual(both.ContainerUsage, sums);
    const { Items, ...rest } = (await usage('1.53', '?verbose=1&type=container')).ContainerUsage ?? {};
    assert.deepEqual([rest, (Items as unknown as readonly object[]).length], [sums, 3]);
    const verbose = await usage('1.53', '?verbose=1');
    assert.deepEqual([verbose.Images, verbose.ImageUsage?.Items], [undefined, old.Images]);
    assert.deepEqual(verbose.BuildCacheUsage, {});
  });

  it('events are of the type of stream that is asked for', async () => {
    const emit = (type: string, action: string) =>
      api.backend.node.emit({ type, action, id: 'c1', attributes: { image: 'i' }, timeMs: 1000 });
    emit('container', 'start');
    emit('image', 'create');
    const events = async (version: string, Accept = '*/*') => {
      const answer = await api.send('GET', `/v${version}/events?since=1&until=2`, { headers: { Accept } });
      return [answer.headers['content-type'], ...String(answer.body).trimEnd().split('\n')];
    };
    const [oldType, start, ...others] = await events('1.45');
    assert.deepEqual([oldType, others], ['application/json', []]);
    assert.match(String(start), /^\{"status":"start","id":"c1","from":"i","Type":"container"/);
    assert.equal((await events('1.46', 'application/json')).length, 3, 'and that images were made');
    const [type, lean, created] = await events('1.52');
    assert.equal(type, 'application/jsonl');
    assert.match(String(lean), /^\{"Type":"container","Action":"start"/);
    assert.match(String(created), /^\{"Type":"image","Action":"create"/);
    const [sequence, first] = await events('1.52', 'application/json-seq;q=0.9, application/x-ndjson;q=0.8');
    assert.deepEqual([sequence, first], ['application/json-seq', `\u001e${lean}`]);
  });

  it('several platforms of an image are asked for at once, and attestations for one', async () => {
    const platform = `platform=${encodeURIComponent('{"os":"linux","architecture":"amd64"}')}`;
    const ask = async (path: string) => {
      const { status, body } = await api.send('GET', path);
      return [
        status,
        status === 200 ? '' : (JSON.parse(String(body)) as { readonly message: string }).message,
      ] as const;
    };
    const [status, why] = await ask(`/v1.51/images/alpine:3/get?${platform}&${platform}`);
    assert.deepEqual([status, /use API version 1\.52 or later/.test(why)], [400, true]);
    assert.equal((await ask(`/v1.52/images/alpine:3/get?${platform}&${platform}`))[0], 200);
    assert.equal((await api.send('POST', `/v1.51/images/load?${platform}&${platform}`)).status, 400);
    assert.equal((await api.send('POST', `/v1.51/images/alpine/push?tag=3&${platform}&${platform}`)).status, 200);
    assert.equal((await ask(`/v1.47/images/alpine:3/get?${platform}&${platform}`))[0], 200, 'not looked at');
    assert.equal((await ask(`/images/alpine:3/json?${platform}&manifests=1`))[0], 400);
    for (const [path, expected, what] of [
      ['/v1.54/images/alpine:3/attestations', 400, /minimum API version 1\.55/],
      [`/images/alpine:3/attestations?${platform}&${platform}`, 400, /only one platform/],
      ['/images/alpine:3/attestations?platform=x', 400, /invalid platform/],
      ['/images/none/attestations', 404, /No such image/],
      [
        `/images/alpine:3/attestations?platform=${encodeURIComponent('{"os":"linux","architecture":"arm"}')}`,
        404,
        /arm/,
      ],
      ['/images/alpine:3/attestations', 501, /does not keep attestations/],
    ] as const) {
      const [found, message] = await ask(path);
      assert.equal(found, expected, path);
      assert.match(message, what);
    }
  });

  it('a container has nothing that the client’s version does not have', async () => {
    const { node } = api.backend;
    const make = node.createContainer.bind(node);
    let made: ContainerCreate | undefined;
    node.createContainer = (c) => {
      made = c;
      return make(c);
    };
    const create = async (version: string, more: object = {}) => {
      const mount = { Type: 'bind', Source: '/a', Target: '/b', BindOptions: { NonRecursive: true } };
      const HostConfig = { Annotations: { a: 'b' }, Mounts: [mount], ...more };
      const body = { Image: 'alpine:3', Healthcheck: { Test: ['NONE'], StartInterval: 5_000_000 }, HostConfig };
      const { status, body: answer } = await api.send('POST', `/v${version}/containers/create`, { body });
      return status === 201 ? '' : String(answer);
    };
    const fields = async (version: string) => {
      assert.equal(await create(version), '');
      return [made?.health?.startIntervalNs, made?.annotations !== undefined, made?.mounts[0]?.bindNonRecursive];
    };
    assert.deepEqual(await fields('1.44'), [5_000_000, true, true]);
    assert.deepEqual(await fields('1.43'), [0, true, true]);
    assert.deepEqual(await fields('1.42'), [0, false, true]);
    assert.deepEqual([...(await fields('1.39')), made?.ipcMode], [0, false, undefined, 'shareable']);
    const Mounts = [{ Type: 'volume', Source: 'v', Target: '/b', VolumeOptions: { Subpath: 'x' } }];
    assert.match(await create('1.44', { Mounts }), /Subpath needs API v1\.45 or newer/);
    assert.equal(await create('1.45', { Mounts }), '');
  });
});
