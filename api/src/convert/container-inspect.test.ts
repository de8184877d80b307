import assert from 'node:assert/strict';
import type { ContainerSummary } from '../backend.js';
import { MAX_API_VERSION } from '../http/api-version.js';
import { JsonObject } from '../json/object.js';
import { container } from '../testing/memory-backend.js';
import { containerListJson } from './container.js';
import { readContainerCreate } from './container-create.js';
import { containerInspectJson } from './container-inspect.js';

interface Inspected {
  readonly HostConfig: Readonly<Record<string, unknown>>;
  readonly Config: Readonly<Record<string, unknown>>;
  readonly NetworkSettings: Readonly<Record<string, unknown>>;
}

describe('a container that is inspected', () => {
  const port = { protocol: 'tcp' as const, targetPort: 80, publishedPort: 32_768, hostIp: '' };
  const made = { ...container('c'.repeat(64), 'web'), ports: [port] };

  it('shows the ports that were asked for, and not those that were free', () => {
    const PortBindings = { '80/tcp': [{ HostIp: '', HostPort: '' }] };
    const inspected = containerInspectJson(
      { ...made, given: { config: {}, hostConfig: { PortBindings } } },
      MAX_API_VERSION,
    ) as object;
    assert.deepEqual((inspected as Inspected).HostConfig.PortBindings, PortBindings);
    const none = containerInspectJson(
      { ...made, given: { config: {}, hostConfig: { PortBindings: null } } },
      MAX_API_VERSION,
    ) as object;
    assert.deepEqual((none as Inspected).HostConfig.PortBindings, {});
    const ofTask = containerInspectJson(made, MAX_API_VERSION) as object;
    assert.deepEqual((ofTask as Inspected).HostConfig.PortBindings, {
      '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '32768' }],
    });
  });

  it('has no health before anybody has asked it, as clients expect that ask whether there is one', () => {
    const config = {
      test: ['CMD', 'true'],
      intervalNs: 1e9,
      timeoutNs: 1e9,
      startPeriodNs: 0,
      startIntervalNs: 1e9,
      retries: 1,
    };
    const healthCheck = { config, failingStreak: 0, log: [] };
    const stateOf = (health: ContainerSummary['health']) =>
      (containerInspectJson({ ...made, health, healthCheck }, MAX_API_VERSION) as { readonly State: object }).State;
    assert.ok(!('Health' in stateOf('none')));
    assert.deepEqual(stateOf('starting'), {
      ...stateOf('none'),
      Health: { Status: 'starting', FailingStreak: 0, Log: [] },
    });
  });

  it('is on its networks, also before it runs, or has the host’s or none', () => {
    const of = (c: Partial<ContainerSummary>) => {
      const { NetworkSettings, HostConfig } = containerListJson({ ...made, ...c }, 0, MAX_API_VERSION) as {
        HostConfig: { NetworkMode: string };
        NetworkSettings: { Networks: Record<string, { NetworkID: string; EndpointID: string }> };
      };
      const networks = Object.entries(NetworkSettings.Networks).map(([name, n]) => `${name} ${n.EndpointID}`.trim());
      return [HostConfig.NetworkMode, ...networks];
    };
    assert.deepEqual(of({ networkMode: 'local' }), ['default', 'bridge e0']);
    assert.deepEqual(of({ networkMode: 'local', networks: [] }), ['default']);
    for (const name of ['bridge', 'default', '']) {
      const given = { config: {}, hostConfig: { NetworkMode: name } };
      for (const networkMode of ['local', 'bridge']) assert.equal(of({ networkMode, given })[0], name || 'default');
    }
    const waiting = made.networks.map((n) => ({ ...n, endpointId: '' }));
    assert.deepEqual(of({ state: 'created', networks: waiting }), ['bridge', 'bridge']);
    assert.deepEqual(of({ networkMode: 'host', networks: [] }), ['host', 'host']);
    assert.deepEqual(of({ networkMode: 'container:c2', networks: [] }), ['container:c2']);
  });

  const inspect = (c: Partial<ContainerSummary>) =>
    containerInspectJson({ ...made, ...c }, MAX_API_VERSION) as object as Inspected;
  const HOST_CONFIG = {
    Dns: ['192.0.2.53'],
    DnsSearch: ['example.org'],
    DnsOptions: ['ndots:2'],
    ExtraHosts: ['db:192.0.2.1', 'six:2001:db8::1', 'host.docker.internal:host-gateway'],
    LogConfig: { Type: 'json-file', Config: { 'max-size': '1m', tag: 'x' } },
    CapAdd: ['NET_ADMIN'],
    CapDrop: ['CHOWN'],
    Init: false,
    ReadonlyRootfs: true,
    Privileged: false,
    AutoRemove: true,
    GroupAdd: ['audio'],
    Sysctls: { 'net.core.somaxconn': '99' },
    Annotations: { a: 'b' },
    ShmSize: 1 << 20,
    PidMode: 'host',
    IpcMode: 'shareable',
    UTSMode: 'host',
    CgroupnsMode: 'host',
    UsernsMode: 'host',
    CgroupParent: '/mine',
    VolumesFrom: ['other:ro'],
    ConsoleSize: [24, 80],
    OomScoreAdj: 100,
    Memory: 64 << 20,
    MemorySwap: -1,
    PidsLimit: 7,
    Ulimits: [{ Name: 'nofile', Soft: 10, Hard: 20 }],
    Devices: [{ PathOnHost: '/dev/null', PathInContainer: '/dev/nil', CgroupPermissions: 'r' }],
    DeviceCgroupRules: ['c 1:3 mr'],
    BlkioDeviceReadBps: [{ Path: '/dev/sda', Rate: 1024 }],
  };

  it('shows what the engine was told, whether a client has told it or a manager', () => {
    const { given, ...settings } = readContainerCreate(
      JsonObject.of({ Image: 'box', Domainname: 'example.org', HostConfig: HOST_CONFIG }, 'body'),
      'web',
    );
    for (const c of [{ settings }, { settings, given }]) {
      const { HostConfig, Config } = inspect({ ...c, links: [], logDriver: 'json-file' });
      const shown = Object.fromEntries(Object.keys(HOST_CONFIG).map((name) => [name, HostConfig[name]]));
      assert.deepEqual(shown, HOST_CONFIG);
      assert.equal(Config.Domainname, 'example.org');
    }
  });

  it('shows mounts and security of tasks in the forms that a client would have given', () => {
    const { HostConfig } = inspect({
      settings: {
        mounts: [
          {
            type: 'bind',
            source: '/etc',
            target: '/e',
            readOnly: true,
            propagation: 'rslave',
            bindCreateSource: false,
          },
          {
            type: 'volume',
            source: 'data',
            target: '/d',
            readOnly: false,
            volumeDriver: 'local',
            volumeLabels: { a: 'b' },
          },
          { type: 'tmpfs', source: '', target: '/t', readOnly: false, tmpfsSizeBytes: 4096, tmpfsMode: 0o700 },
        ],
        noNewPrivileges: true,
        seccompUnconfined: true,
        selinuxLabel: 'system_u:system_r:svirt_t:s0:c1',
        cdiDevices: ['vendor.com/gpu=0'],
      },
    });
    assert.deepEqual(HostConfig.Mounts, [
      { Type: 'bind', Source: '/etc', Target: '/e', ReadOnly: true, BindOptions: { Propagation: 'rslave' } },
      {
        Type: 'volume',
        Source: 'data',
        Target: '/d',
        VolumeOptions: { Labels: { a: 'b' }, DriverConfig: { Name: 'local' } },
      },
      { Type: 'tmpfs', Target: '/t', TmpfsOptions: { SizeBytes: 4096, Mode: 0o700 } },
    ]);
    assert.deepEqual(HostConfig.SecurityOpt, [
      'label=user:system_u',
      'label=role:system_r',
      'label=type:svirt_t',
      'label=level:s0:c1',
      'seccomp=unconfined',
      'no-new-privileges=true',
    ]);
    const request = { Driver: 'cdi', Count: 0, DeviceIDs: ['vendor.com/gpu=0'], Capabilities: null, Options: null };
    assert.deepEqual([HostConfig.DeviceRequests, HostConfig.Binds], [[request], null]);
  });

  it('shows mounts as the client said them, and nothing that nobody knows', () => {
    const hostConfig = {
      ContainerIDFile: '/tmp/id',
      Binds: ['data:/d'],
      mounts: [],
      SecurityOpt: [],
      Nonsense: 1,
      Tmpfs: { '/t': '' },
    };
    const settings = { mounts: [{ type: 'volume' as const, source: 'data', target: '/d', readOnly: false }] };
    const { HostConfig } = inspect({ settings, given: { config: {}, hostConfig } });
    assert.deepEqual([HostConfig.Binds, HostConfig.Tmpfs, HostConfig.SecurityOpt], [['data:/d'], { '/t': '' }, null]);
    assert.equal(HostConfig.ContainerIDFile, '/tmp/id');
    for (const absent of ['Mounts', 'mounts', 'Nonsense', 'Init', 'Sysctls'])
      assert.ok(!(absent in HostConfig), absent);
  });

  it('tells old clients its place on the bridge once more, and no other', () => {
    const of = (networks: ContainerSummary['networks'], minor = 51) =>
      (containerInspectJson({ ...made, networks }, [1, minor]) as object as Inspected).NetworkSettings;
    const { IPAddress, EndpointID, MacAddress } = of(made.networks);
    assert.deepEqual([IPAddress, EndpointID, MacAddress], ['10.0.0.2', 'e0', '02:00:00:00:00:01']);
    const elsewhere = of(made.networks.map((n) => ({ ...n, id: 'n1', name: 'back' })));
    assert.deepEqual([elsewhere.IPAddress, elsewhere.EndpointID], ['', '']);
    assert.deepEqual(Object.keys(of(made.networks, 52)), ['SandboxID', 'Ports', 'SandboxKey', 'Networks']);
  });

  it('shows where its network namespace is, while it has one', () => {
    const of = (netns: string) => inspect({ netns }).NetworkSettings;
    assert.deepEqual([of('/n/c').SandboxID, of('/n/c').SandboxKey], [made.id, '/n/c']);
    assert.deepEqual([of('').SandboxID, of('').SandboxKey], ['', '']);
  });

  it('shows which paths are masked, and none with all privileges', () => {
    const paths = { maskedPaths: ['/proc/kcore'], readonlyPaths: ['/proc/bus'] };
    const of = ({ HostConfig: h }: Inspected) => [h.MaskedPaths, h.ReadonlyPaths];
    assert.deepEqual(of(inspect(paths)), [['/proc/kcore'], ['/proc/bus']]);
    assert.deepEqual(of(inspect({ maskedPaths: [], readonlyPaths: [] })), [[], []]);
    assert.deepEqual(of(inspect({})), [null, null]);
  });

  it('listens at what is exposed while it runs in a network of its own', () => {
    const exposedPorts = [80, 90].map((targetPort) => ({ protocol: 'tcp', targetPort }));
    const ports = { '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '32768' }], '90/tcp': null };
    assert.deepEqual(inspect({ exposedPorts }).NetworkSettings.Ports, ports);
    assert.deepEqual(inspect({ exposedPorts }).Config.ExposedPorts, { '80/tcp': {}, '90/tcp': {} });
    const listed = containerListJson({ ...made, exposedPorts }, 0, MAX_API_VERSION) as { Ports: readonly object[] };
    assert.deepEqual(listed.Ports[1], { PrivatePort: 90, Type: 'tcp' });
    for (const without of [{ networkMode: 'host' }, { networkMode: 'container:x' }, { state: 'exited' as const }])
      assert.deepEqual(inspect({ exposedPorts, ...without }).NetworkSettings.Ports, {});
  });
});
