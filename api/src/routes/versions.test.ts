/** What a client gets, and may ask for, by the version of the API that it speaks. */
import assert from 'node:assert/strict';
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
      networks: [{ ...network, aliases: ['a'], dnsNames: ['x', 'a', shortId] }],
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
    assert.deepEqual([await mac('1.43'), await mac('1.44')], ['02:00:00:00:00:01', 'none']);
  });

  it('lists of containers have annotations', async () => {
    const annotations = async (version: string) => {
      const found = await get<readonly { readonly Id: string; readonly HostConfig: object }[]>(
        version,
        '/containers/json?all=1',
      );
      return found.find((c) => c.Id === ID)?.HostConfig;
    };
    assert.deepEqual(await annotations('1.45'), { NetworkMode: 'bridge' });
    assert.deepEqual(await annotations('1.46'), { NetworkMode: 'bridge', Annotations: { note: 'y' } });
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
    const config = { a: { GwPriority: 5 } };
    const gateway = await api.send('POST', '/containers/create', {
      body: { ...body, NetworkingConfig: { EndpointsConfig: config } },
    });
    assert.match(String(gateway.body), /priorities of gateways of a container on network a are not supported/);
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
});
