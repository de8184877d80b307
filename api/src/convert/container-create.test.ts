import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import { JsonObject } from '../json/object.js';
import { readContainerCreate } from './container-create.js';

describe('the body of a create', () => {
  const read = (host: Record<string, unknown>, config: Record<string, unknown> = {}) =>
    readContainerCreate(new JsonObject({ Image: 'x', ...config, HostConfig: host }), 'name');
  const refused = (host: Record<string, unknown>, message: string, config: Record<string, unknown> = {}) =>
    assert.throws(
      () => read(host, config),
      (e) => isSwarmtsError(e) && e.message === message,
      message,
    );

  it('publishes a port, any port of a range, or one that the node chooses', () => {
    const ports = (HostPort: string) =>
      read({ PortBindings: { '80/tcp': [{ HostPort }] } }).ports.map((p) => [p.publishedPort, p.lastPublishedPort]);
    assert.deepEqual(ports('8000'), [[8000, undefined]]);
    assert.deepEqual(ports('8000-8002'), [[8000, 8002]]);
    assert.deepEqual([ports(''), ports('0')], [[[0, undefined]], [[0, undefined]]]);
    for (const bad of ['8002-8000', '70000', 'x', '80-', '-80', '1-2-3']) {
      refused({ PortBindings: { '80/tcp': [{ HostPort: bad }] } }, `invalid port specification: "${bad}"`);
    }
  });

  it('leaves a log driver that is not named to the node', () => {
    assert.equal(read({}).log, undefined);
    const Config = { 'max-size': '1m', 'max-file': '3' };
    assert.deepEqual(read({ LogConfig: { Type: '', Config } }).log, { driver: '', options: Config });
  });

  it('tells what is left to the node from what is turned off', () => {
    const { init, noNewPrivileges, seccompProfile } = read({});
    assert.deepEqual([init, noNewPrivileges, seccompProfile], [undefined, undefined, undefined]);
    const off = read({ Init: false, SecurityOpt: ['no-new-privileges=false', 'seccomp=builtin'] });
    assert.deepEqual([off.init, off.noNewPrivileges, off.seccompProfile], [false, false, '']);
  });

  it('leaves what belongs to the network to the container whose network it is', () => {
    const shared = { NetworkMode: 'container:web' };
    assert.equal(read(shared).networkContainer, 'web');
    const conflicts: [Record<string, unknown>, Record<string, unknown>, string][] = [
      [{}, { Hostname: 'h' }, 'hostname and the network mode'],
      [{ Dns: ['192.0.2.1'] }, {}, 'dns and the network mode'],
      [{ ExtraHosts: ['a:192.0.2.1'] }, {}, 'custom host-to-IP mapping and the network mode'],
      [{}, { MacAddress: '92:d0:c6:0a:29:33' }, 'mac-address and the network mode'],
      [{ PortBindings: { '80/tcp': [{}] } }, {}, 'port publishing and the container type network mode'],
      [{ PublishAllPorts: true }, {}, 'port publishing and the container type network mode'],
      [{}, { ExposedPorts: { '80/tcp': {} } }, 'port exposing and the container type network mode'],
    ];
    for (const [host, config, what] of conflicts)
      refused({ ...shared, ...host }, `conflicting options: ${what}`, config);
    const mac = { MacAddress: '92:d0:c6:0a:29:33' };
    refused({ NetworkMode: 'host' }, 'conflicting options: mac-address and the network mode', mac);
    for (const NetworkMode of ['container', 'container:']) {
      refused({ NetworkMode }, 'invalid container format container:<name|id>', {});
    }
  });

  it('refuses a host name beside the host’s, addresses on the node’s own network, and real-time scheduling', () => {
    refused({ UTSMode: 'host' }, 'conflicting options: hostname and the UTS mode', { Hostname: 'h' });
    const at = (name: string, IPv4Address: string) => ({
      NetworkingConfig: { EndpointsConfig: { [name]: { IPAMConfig: { IPv4Address } } } },
    });
    const onOwn = 'user specified IP address is supported on user defined networks only';
    for (const mode of ['default', 'bridge']) refused({ NetworkMode: mode }, onOwn, at(mode, '192.0.2.1'));
    refused({}, 'invalid IP address: nope', at('bridge', 'nope'));
    assert.deepEqual(read({ NetworkMode: 'back' }, at('back', '192.0.2.1')).networks?.[0]?.addresses, ['192.0.2.1']);
    refused({ ExtraHosts: ['a'] }, 'bad format for add-host: "a"');
    refused({ ExtraHosts: ['a:nope'] }, 'invalid IP address in add-host: "nope"');
    assert.deepEqual(read({ ExtraHosts: ['a:host-gateway', 'b:[2001:db8::1]'] }).extraHosts, [
      'host-gateway a',
      '[2001:db8::1] b',
    ]);
    refused({ Dns: ['nope'] }, 'invalid IP address in dns: "nope"');
    const qos = 'Invalid QoS settings: linux does not support Maximum IO Bandwidth or Maximum IO IOps';
    for (const name of ['IOMaximumBandwidth', 'IOMaximumIOps']) refused({ [name]: 1 }, qos);
    const annotation = 'invalid Annotations: the empty string is not permitted as an annotation key';
    refused({ Annotations: { '': 'x' } }, annotation);
    assert.equal(read({}, { NetworkDisabled: true }).networkMode, 'none');
    refused({ CpuRealtimeRuntime: 100 }, 'Your kernel does not support CPU real-time scheduler');
  });

  it('takes a MAC address of the container for that of its first network', () => {
    const mac = '02:00:00:00:00:01';
    assert.deepEqual(read({ NetworkMode: 'back' }, { MacAddress: mac }).networks?.[0]?.mac, mac);
    assert.throws(() => read({ NetworkMode: 'back' }, { MacAddress: 'nope' }), /nope is not a valid mac address/);
    assert.deepEqual(read({}, { MacAddress: mac }).networks, [
      { target: 'bridge', aliases: [], links: [], addresses: [], mac },
    ]);
    const onEndpoint = { NetworkingConfig: { EndpointsConfig: { default: { MacAddress: mac } } } };
    assert.deepEqual(read({ NetworkMode: 'default' }, onEndpoint).networks?.[0]?.mac, mac);
    const wrong = { NetworkingConfig: { EndpointsConfig: { back: { MacAddress: 'x' } } } };
    assert.throws(() => read({ NetworkMode: 'back' }, wrong), /x is not a valid mac address/);
  });

  it('has nothing on a network that would be without effect', () => {
    const on = (config: object) => () =>
      read({ NetworkMode: 'back' }, { NetworkingConfig: { EndpointsConfig: { back: config } } });
    assert.throws(
      on({ IPAMConfig: { LinkLocalIPs: ['169.254.1.1'] } }),
      /^\S*Error: link-local addresses .* back are not/,
    );
    on({ IPAMConfig: { LinkLocalIPs: [] }, DriverOpts: null })();
  });

  it('has kernel settings of its interfaces', () => {
    const name = 'com.docker.network.endpoint.sysctls';
    const on = (mode: string, text: string) =>
      read(
        { NetworkMode: mode },
        { NetworkingConfig: { EndpointsConfig: { [mode]: { DriverOpts: { [name]: text } } } } },
      ).networks;
    const text = 'net.ipv4.conf.IFNAME.log_martians=1';
    for (const mode of ['bridge', 'back']) assert.deepEqual(on(mode, text)?.[0]?.driverOptions, { [name]: text });
    const unknown = { NetworkingConfig: { EndpointsConfig: { back: { DriverOpts: { a: 'b' } } } } };
    assert.deepEqual(read({ NetworkMode: 'back' }, unknown).networks?.[0]?.driverOptions, { a: 'b' });
    assert.throws(
      () => on('back', 'net.ipv4.ip_forward=1'),
      /unrecognised network interface sysctl 'net.ipv4.ip_forward=1'/,
    );
  });

  it('is on the node’s own network beside others where that is said, and needs no word for it alone', () => {
    const on = (mode: string, ...names: string[]) =>
      read(
        { NetworkMode: mode },
        { NetworkingConfig: { EndpointsConfig: Object.fromEntries(names.map((n) => [n, {}])) } },
      ).networks?.map((n) => n.target);
    assert.deepEqual(on('default', 'default', 'back'), ['bridge', 'back']);
    assert.deepEqual(on('back', 'back', 'bridge'), ['back', 'bridge']);
    for (const mode of ['', 'default', 'bridge']) assert.deepEqual(on(mode, 'back'), ['back'], 'it is left to them');
    for (const mode of ['', 'default', 'bridge']) assert.equal(on(mode, mode || 'bridge'), undefined);
    const alias = { NetworkingConfig: { EndpointsConfig: { bridge: { Aliases: ['x'] } } } };
    assert.throws(() => read({}, alias), /network-scoped aliases are only supported for user-defined networks/);
  });

  it('takes volumes that are not absolute from the root on', () => {
    const { mounts } = read({}, { Volumes: { 'v:/data': {}, '/x': {} } });
    assert.deepEqual(
      mounts.map((m) => [m.type, m.target]),
      [
        ['volume', '/v:/data'],
        ['volume', '/x'],
      ],
    );
  });

  it('takes the modes of Docker, one of each kind, where they mean something', () => {
    const bind = (text: string) => read({ Binds: [text] }).mounts[0];
    assert.deepEqual(bind('/a:/x:ro,Z,rslave')?.propagation, 'rslave');
    assert.equal(bind('v:/x:nocopy,z')?.volumeNoCopy, true);
    for (const mode of ['copy', 'rw,ro', 'z,Z', 'shared,slave', 'odd', 'ro,']) {
      assert.throws(() => bind(`v:/x:${mode}`), { message: `invalid mode: ${mode}` });
    }
    const field = (text: string, type: string, name: string) => {
      const why = `invalid mount config for type "${type}": field ${name} must not be specified`;
      assert.throws(() => bind(text), { message: `invalid volume specification: '${text}': ${why}` });
    };
    field('v:/x:shared', 'volume', 'BindOptions');
    field('/a:/x:nocopy', 'bind', 'VolumeOptions');
  });

  it('knows no isolation and no kinds of mounts but its own', () => {
    refused({ Isolation: 'hyperv' }, 'Invalid isolation: "hyperv" - linux only supports \'default\'');
    const mount = { Type: 'npipe', Source: 'x', Target: '/y' };
    refused({ Mounts: [mount] }, 'invalid mount config for type "npipe": mount type unknown');
    const fresh = { Type: 'volume', Target: '/y', ReadOnly: true };
    const why = 'must not set ReadOnly mode when using anonymous volumes';
    refused({ Mounts: [fresh] }, `invalid mount config for type "volume": ${why}`);
  });

  it('has no user namespaces but the host’s, and no quota of a root file system', () => {
    assert.equal(read({ UsernsMode: 'host' }).usernsMode, 'host');
    assert.equal(readContainerCreate(new JsonObject({ Image: 'x' }), '', 'linux/arm64').platform, 'linux/arm64');
    refused(
      { StorageOpt: { size: '10G' } },
      "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
    );
  });
});
