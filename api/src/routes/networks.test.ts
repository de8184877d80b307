/** Networks as dockerd's clients make, join and prune them. */
import assert from 'node:assert/strict';
import { SwarmtsError } from '@swarmts/lib';
import {
  builtinNetworks,
  Endpoint,
  EndpointVip,
  NetworkAttachment,
  Service,
  Task,
  TaskState,
  TaskStatus,
} from '@swarmts/proto';
import { Harness } from '../testing/harness.js';

const MTU = 'com.docker.network.driver.mtu';
const ICC = 'com.docker.network.bridge.enable_icc';

describe('network routes', () => {
  let api: Harness;
  beforeEach(async () => {
    api = await Harness.start();
  });
  afterEach(() => api.stop());
  const post = async (path: string, body: object) => {
    const a = await api.send('POST', path, { body });
    return `${a.status} ${a.body}`;
  };

  it('refuse what no network can be', async () => {
    for (const [body, why] of [
      [{ Name: 'default' }, /^403 .*not permitted on predefined default network/],
      [{ Name: 'x', Driver: 'host' }, /^403 .*only one instance of \\"host\\" network is allowed/],
      [{ Name: 'x', Driver: 'null' }, /^403 .*only one instance of \\"null\\" network is allowed/],
      [{ Name: 'x', Driver: 'overlay', Scope: 'local' }, /^403 .*cannot downgrade network scope/],
      [{ Name: 'x', Ingress: true }, /^403 .*Ingress network can only be global scope network/],
      [{ Name: 'x', Options: { [MTU]: 'x' } }, /^400 .*failed to parse com.docker.network.driver.mtu value: x/],
      [{ Name: 'x', Options: { [ICC]: 'nope' } }, /^400 .*enable_icc value: nope \(strconv.ParseBool/],
      [{ Name: 'x', IPAM: { Driver: 'nope' } }, /^404 .*plugin \\"nope\\" not found/],
    ] as const)
      assert.match(await post('/networks/create', body), why);
  });

  it('know no bridge where the node has none for containers', async () => {
    api.backend.node.bridge = undefined;
    const names = ((await api.send('GET', '/networks')).json as { Name: string }[]).map((n) => n.Name);
    assert.deepEqual([names.includes('bridge'), names.includes('host'), names.includes('none')], [false, true, true]);
    assert.equal((await api.send('GET', '/networks/bridge')).status, 404);
    assert.match(await post('/networks/bridge/connect', { Container: 'c' }), /^404 /);
  });

  it('have names of their own, whether they are of the swarm or of the node', async () => {
    for (const [first, second] of [
      ['bridge', 'overlay'],
      ['overlay', 'bridge'],
    ]) {
      const Name = `x-${first}`;
      assert.match(await post('/networks/create', { Name, Driver: first }), /^201 /);
      const refused = new RegExp(`^409 .*network with name ${Name} already exists`);
      assert.match(await post('/networks/create', { Name, Driver: second }), refused);
    }
  });

  it('show what their addresses were wished to be chosen with', async () => {
    const wishes = async (Name: string, Driver: string, Options?: Readonly<Record<string, string>>) => {
      await post('/networks/create', { Name, Driver, ...(Options ? { IPAM: { Options } } : {}) });
      return ((await api.send('GET', `/networks/${Name}`)).json as { IPAM: { Options: unknown } }).IPAM.Options;
    };
    for (const driver of ['bridge', 'overlay']) {
      assert.deepEqual(await wishes(`a-${driver}`, driver, { foo: 'bar' }), { foo: 'bar' });
      assert.equal(await wishes(`b-${driver}`, driver), null);
    }
  });

  it('refuse addresses that a container cannot have there, all at once, when it is made and later', async () => {
    const IPAM = { Config: [{ Subnet: '10.9.0.0/24', Gateway: '10.9.0.1' }] };
    await post('/networks/create', { Name: 'x', IPAM });
    const at = (IPv4Address: string, IPv6Address = '') => ({ IPAMConfig: { IPv4Address, IPv6Address } });
    const create = (endpoint: object, network = 'x') =>
      post('/containers/create', { Image: 'alpine:3', NetworkingConfig: { EndpointsConfig: { [network]: endpoint } } });
    const none = (address: string) => `no configured subnet contains IP address ${address}`;
    const prefix = 'invalid config for network x: invalid endpoint settings:\\n';
    assert.equal(
      await create(at('10.8.0.5', 'fd00::5')),
      `400 {"message":"${prefix}${none('10.8.0.5')}\\n${none('fd00::5')}"}\n`,
    );
    assert.equal(
      await create(at('fd00::5', 'x')),
      `400 {"message":"${prefix}invalid IPv4 address: fd00::5\\ninvalid IPv6 address: x"}\n`,
    );
    assert.match(await create(at('0.0.0.0')), /^400 .*invalid IPv4 address: 0.0.0.0/);
    assert.match(await create(at('10.9.0.5')), /^201 /);
    assert.match(await create(at('10.8.0.5'), 'unknown'), /^201 /);
    const connect = (endpoint: object) =>
      post('/networks/x/connect', { Container: 'web.1.task', EndpointConfig: endpoint });
    assert.match(await connect(at('10.8.0.5')), /^400 .*"invalid endpoint settings:\\nno configured subnet contains/);
    assert.match(await connect(at('10.9.0.6')), /^200 /);
  });

  it('have IPv4, where the client knows that they might not', async () => {
    const without = { Name: 'y', EnableIPv4: false };
    assert.match(await post('/networks/create', without), /^400 .*IPv4 or IPv6 must be enabled/);
    const overlay = { ...without, EnableIPv6: true, Driver: 'overlay' };
    assert.match(await post('/networks/create', overlay), /^400 .*IPv4 cannot be disabled in a Swarm scoped network/);
    assert.match(await post('/networks/create', { ...without, EnableIPv6: true, Driver: 'bridge' }), /^201 /);
    assert.match(await post('/networks/create', { Name: 'x', EnableIPv4: 'x' }), /^400 .*EnableIPv4 must be a boolean/);
    assert.match(await post('/v1.47/networks/create', { Name: 'x', EnableIPv4: false }), /^201 /);
  });

  it('warn of a name for a device that there is not', async () => {
    const named = { Name: 'x', Options: { 'com.docker.network.bridge.name': 'br-x' } };
    assert.match(await post('/networks/create', named), /^201 .*bridge.name has no effect: .*no device on the node/);
    assert.match(await post('/networks/create', { Name: 'y' }), /^201 .*"Warning":""/);
  });

  it('leave containers with the host’s network, or with none', async () => {
    const at = { Container: 'web.1.task' };
    assert.match(await post('/networks/host/connect', at), /^403 .*or connected to host network/);
    assert.match(await post('/networks/none/connect', at), /^403 .*in private \(none\) mode/);
  });

  it('tell how many addresses are in use, where the node knows it', async () => {
    interface Inspected {
      readonly Id: string;
      readonly Status?: { readonly IPAM: { readonly Subnets: object } };
    }
    const inspect = async (name: string, version = '1.52') =>
      (await api.send('GET', `/v${version}/networks/${name}`)).json as Inspected;
    assert.equal((await inspect('bridge', '1.51')).Status, undefined);
    const { subnet } = api.backend.node.bridge ?? assert.fail();
    // Its container’s address is of another subnet.
    assert.deepEqual((await inspect('bridge')).Status?.IPAM.Subnets, {
      [subnet]: { IPsInUse: 3, DynamicIPsAvailable: 65533 },
    });
    assert.deepEqual((await inspect('host')).Status?.IPAM.Subnets, {});
    const IPAM = { Config: [{ Subnet: '10.9.0.0/24', Gateway: '10.9.0.1' }] };
    await post('/networks/create', { Name: 'over', Driver: 'overlay', IPAM });
    const { swarm } = api.backend;
    const id = (await inspect('over')).Id;
    const network = (await swarm.networks()).find((n) => n.id === id);
    assert.ok(network);
    const on = (address: string, state: TaskState) =>
      Task.create({
        networks: [NetworkAttachment.create({ network, addresses: [address] })],
        status: TaskStatus.create({ state }),
      });
    swarm.tasks = async (options) => {
      assert.ok(options?.withAttachments);
      return [on('10.9.0.7/24', TaskState.RUNNING), on('10.9.0.8/24', TaskState.FAILED)];
    };
    const endpoint = Endpoint.create({ virtualIps: [EndpointVip.create({ networkId: id, addr: '10.9.0.2/24' })] });
    const counts = { runningTasks: 0, desiredTasks: 0, completedTasks: 0 };
    swarm.services = async () => [{ service: Service.create({ endpoint }), ...counts }];
    assert.deepEqual((await inspect('over')).Status?.IPAM.Subnets, {
      '10.9.0.0/24': { IPsInUse: 5, DynamicIPsAvailable: 251 },
    });
    swarm.tasks = async () => {
      throw new SwarmtsError('not-a-manager', 'This node is not a swarm manager.');
    };
    assert.equal((await inspect('over')).Status, undefined);
  });

  it('take containers off the node’s own network, and join them to it again', async () => {
    const at = { Container: 'web.1.task' };
    const { bridge } = builtinNetworks;
    const ids = () => api.backend.node.containerList[0]?.networks.map((n) => n.id);
    assert.match(await post('/networks/bridge/disconnect', at), /^200 /);
    assert.deepEqual(ids(), []);
    assert.match(await post(`/networks/${bridge.id.slice(0, 12)}/connect`, at), /^200 /);
    assert.deepEqual(ids(), [bridge.id]);
    const named = { ...at, EndpointConfig: { Aliases: ['x'] } };
    assert.match(await post('/networks/bridge/connect', named), /^400 .*aliases are only supported for user-defined/);
    const fixed = { ...at, EndpointConfig: { IPAMConfig: { IPv4Address: '172.30.0.9' } } };
    assert.match(await post('/networks/bridge/connect', fixed), /^400 .*supported on user defined networks only/);
  });

  it('tell what the node’s own is like, and who is on it', async () => {
    interface Shown {
      readonly Id: string;
      readonly IPAM: { readonly Config: unknown };
      readonly Options: Readonly<Record<string, string>>;
      readonly Containers: Readonly<Record<string, { readonly Name: string }>>;
    }
    const of = async (name: string) => (await api.send('GET', `/networks/${name}`)).json as Shown;
    const bridge = await of('bridge');
    assert.deepEqual(bridge.IPAM.Config, [{ Subnet: '172.30.0.0/16', Gateway: '172.30.0.1' }]);
    assert.equal(bridge.Options['com.docker.network.bridge.default_bridge'], 'true');
    const [container] = api.backend.node.containerList;
    assert.ok(container);
    assert.deepEqual(
      Object.values(bridge.Containers).map((c) => c.Name),
      [container.name],
    );
    const inspected = (await api.send('GET', `/containers/${container.id}/json`)).json as {
      readonly NetworkSettings: { readonly Networks: Readonly<Record<string, { readonly NetworkID: string }>> };
    };
    assert.equal(inspected.NetworkSettings.Networks.bridge?.NetworkID, bridge.Id);
    assert.deepEqual((await of('none')).Containers, {});
  });

  it('are found by regular expressions', async () => {
    await post('/networks/create', { Name: 'back' });
    await post('/networks/create', { Name: 'backup' });
    const found = (await api.send('GET', '/networks?filters={"name":["^back$"]}')).json as { Name: string }[];
    assert.deepEqual(
      found.map((n) => n.Name),
      ['back'],
    );
  });

  it('are pruned by age and labels', async () => {
    await post('/networks/create', { Name: 'kept', Labels: { keep: '' } });
    await post('/networks/create', { Name: 'gone' });
    const prune = async (filters: object) => {
      const a = await api.send('POST', `/networks/prune?filters=${encodeURIComponent(JSON.stringify(filters))}`);
      return (a.json as { NetworksDeleted: string[] }).NetworksDeleted;
    };
    assert.deepEqual(await prune({ until: ['2001-01-01T00:00:00Z'] }), []);
    const pruned = await prune({ 'label!': ['keep'] });
    assert.deepEqual([pruned.includes('gone'), pruned.includes('kept')], [true, false]);
  });

  it('tell who carries a network of the swarm and who is on it, on workers as well', async () => {
    const body = { Name: 'back', Driver: 'overlay' };
    const { Id } = (await api.send('POST', '/networks/create', { body })).json as { readonly Id: string };
    const get = async (path: string) => (await api.send('GET', path)).json as Record<string, unknown>;
    assert.ok(!('Peers' in (await get('/networks/back'))), 'no task of it runs here');
    api.backend.node.joined.push({
      network: await api.backend.swarm.network(Id),
      peers: [{ name: 'n1', address: '192.0.2.1' }],
      services: [
        {
          name: 'web',
          virtualIp: '10.1.0.2',
          ports: [{ targetPort: 80, publishedPort: 8080 }],
          tasks: [{ name: 'web.1', endpointId: 't1', address: '10.1.0.5', hostAddress: '192.0.2.1' }],
        },
        { name: 'db', virtualIp: '', ports: [], tasks: [] },
      ],
    });
    const shown = await get('/networks/back');
    assert.deepEqual([shown.Peers, shown.Services], [[{ Name: 'n1', IP: '192.0.2.1' }], undefined]);
    assert.deepEqual((await get('/networks/back?verbose=true')).Services, {
      web: {
        VIP: '10.1.0.2',
        Ports: ['Target: 80, Publish: 8080'],
        LocalLBIndex: 0,
        Tasks: [{ Name: 'web.1', EndpointID: 't1', EndpointIP: '10.1.0.5', Info: { 'Host IP': '192.0.2.1' } }],
      },
      db: { VIP: '<nil>', Ports: [], LocalLBIndex: 0, Tasks: [] },
    });
    for (const code of ['not-a-manager', 'no-leader'] as const) {
      const { swarm } = api.backend;
      const nobody = () => Promise.reject(new SwarmtsError(code, 'nobody answers'));
      swarm.networks = nobody;
      swarm.services = nobody;
      assert.deepEqual(
        [(await get('/networks/back')).Id, (await get(`/networks/${Id.slice(0, 8)}`)).Scope],
        [Id, 'swarm'],
      );
      const pruned = await api.send('POST', '/networks/prune');
      assert.equal(pruned.status, 200, String(pruned.body));
    }
  });
});
