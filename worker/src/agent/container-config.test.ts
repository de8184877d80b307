import assert from 'node:assert/strict';
import {
  Config,
  ConfigSpec,
  ContainerSpec,
  Endpoint,
  expandTemplate,
  FileTarget,
  Mount,
  MountType,
  Network,
  NetworkAttachment,
  NetworkAttachmentConfig,
  NetworkSpec,
  PortConfig,
  Privileges,
  PublishMode,
  ResourceRequirements,
  Resources,
  Secret,
  SecretSpec,
  Task,
  TaskSpec,
} from '@swarmts/proto';
import { containerConfigOf } from './container-config.js';

/** Those whose id begins with "disk" are devices. */
const placeOf = (id: string) => ({ path: `/volumes/${id}`, isBlock: id.startsWith('disk') });
const NO_FILES = { secret: () => undefined, config: () => undefined, volume: placeOf };

function task(container: Partial<ContainerSpec>, spec: Partial<TaskSpec> = {}, extra: Partial<Task> = {}): Task {
  return Task.create({
    id: 'task1',
    serviceId: 'svc1',
    nodeId: 'node1',
    slot: 3,
    serviceAnnotations: { name: 'web', labels: { tier: 'front' } },
    spec: TaskSpec.create({ container: ContainerSpec.create({ image: 'busybox', ...container }), ...spec }),
    ...extra,
  });
}

const configOf = (t: Task, files = NO_FILES) => containerConfigOf(t, 'host1', files as never);

describe('the container of a task', () => {
  it('is named and labelled as Swarm does', () => {
    const c = configOf(task({ labels: { own: 'x' } }));
    assert.equal(c.name, 'web.3.task1');
    assert.deepEqual(c.labels, {
      own: 'x',
      'com.docker.swarm.task': '',
      'com.docker.swarm.task.id': 'task1',
      'com.docker.swarm.task.name': 'web.3.task1',
      'com.docker.swarm.node.id': 'node1',
      'com.docker.swarm.service.id': 'svc1',
      'com.docker.swarm.service.name': 'web',
    });
  });

  it('has its cluster volumes mounted, and those that are devices as devices', () => {
    const at = (target: string, readOnly: boolean) => Mount.create({ type: MountType.CLUSTER, target, readOnly });
    const volumes = [
      ['files', '/data'],
      ['disk1', '/dev/one'],
      ['disk2', '/dev/two'],
    ].map(([volumeId = '', target = '']) => ({ volumeId, source: '', target }));
    const mounts = [at('/data', true), at('/dev/one', false), at('/dev/two', true)];
    const c = configOf(task({ mounts }, {}, { volumes }));
    assert.deepEqual(
      c.mounts.map((m) => [m.type, m.source, m.target, m.readOnly]),
      [['bind', '/volumes/files', '/data', true]],
    );
    assert.deepEqual(c.devices, [
      { hostPath: '/volumes/disk1', containerPath: '/dev/one', permissions: 'rwm' },
      { hostPath: '/volumes/disk2', containerPath: '/dev/two', permissions: 'r' },
    ]);
    assert.throws(() => configOf(task({ mounts: [at('/other', false)] }, {}, { volumes })), /no volume for \/other/);
  });

  it('leaves to the image what the spec does not say', () => {
    const c = configOf(task({}));
    assert.deepEqual(
      [c.entrypoint, c.cmd, c.user, c.workingDir, c.health],
      [undefined, undefined, undefined, undefined, undefined],
    );
    assert.equal(c.stopTimeoutSeconds, 10);
  });

  it('has command as entrypoint and args as command', () => {
    const c = configOf(task({ command: ['/bin/sh'], args: ['-c', 'x'] }));
    assert.deepEqual([c.entrypoint, c.cmd], [['/bin/sh'], ['-c', 'x']]);
  });

  it('tells an init that was refused from one that nobody spoke of', () => {
    assert.deepEqual([configOf(task({ hasInit: true })).init, 'init' in configOf(task({}))], [false, false]);
    assert.equal(configOf(task({ hasInit: true, init: true })).init, true);
  });

  it('keeps a grace period of zero', () =>
    assert.equal(configOf(task({ hasStopGracePeriod: true })).stopTimeoutSeconds, 0));

  it('takes the SELinux label of the spec, unless labels are disabled', () => {
    const labelOf = (context: object) =>
      configOf(task({ privileges: Privileges.create({ selinuxJson: JSON.stringify(context) }) })).selinuxLabel;
    assert.equal(labelOf({ Type: 'svirt_t', Level: 's0:c1' }), 'system_u:system_r:svirt_t:s0:c1');
    assert.equal(labelOf({ Disable: true, Type: 'svirt_t' }), undefined);
    assert.equal(labelOf({ User: 'u', Role: 'r', Type: '', Level: '' }), undefined);
  });

  it('takes limits and reservations', () => {
    const resources = ResourceRequirements.create({
      limits: Resources.create({ nanoCpus: 5e8, memoryBytes: 64 << 20, pids: 10 }),
      reservations: Resources.create({ memoryBytes: 32 << 20 }),
    });
    const { nanoCpus, memoryBytes, memoryReservationBytes, pidsLimit } = configOf(task({}, { resources })).resources;
    assert.deepEqual([nanoCpus, memoryBytes, memoryReservationBytes, pidsLimit], [5e8, 64 << 20, 32 << 20, 10]);
  });

  it('may reserve less memory than the engine takes for a limit, and more than its own limit', () => {
    const softLimit = (reserved: number, limit = 0) => {
      const resources = ResourceRequirements.create({
        limits: Resources.create({ memoryBytes: limit }),
        reservations: Resources.create({ memoryBytes: reserved }),
      });
      return configOf(task({}, { resources })).resources.memoryReservationBytes;
    };
    assert.equal(softLimit(4 << 20), 0);
    assert.equal(softLimit(4 << 20, 64 << 20), 0);
    assert.equal(softLimit(20 << 20, 10 << 20), 10 << 20);
    assert.equal(softLimit(6 << 20), 6 << 20);
  });

  it('publishes host-mode ports only', () => {
    const ports = [
      PortConfig.create({ targetPort: 80, publishedPort: 8080, publishMode: PublishMode.HOST }),
      PortConfig.create({ targetPort: 81, publishedPort: 8081, publishMode: PublishMode.INGRESS }),
    ];
    assert.deepEqual(configOf(task({}, {}, { endpoint: Endpoint.create({ ports }) })).ports, [
      { protocol: 'tcp', targetPort: 80, publishedPort: 8080 },
    ]);
  });

  it('expands the placeholders of env, mounts and hostname', () => {
    const mounts = [Mount.create({ type: MountType.VOLUME, source: 'data-{{.Task.Slot}}', target: '/d' })];
    const c = configOf(
      task({
        env: ['A={{.Service.Name}}/{{ .Node.Hostname }}', 'T={{index .Service.Labels "tier"}}'],
        hostname: '{{.Service.Name}}-{{.Task.Slot}}',
        mounts,
      }),
    );
    assert.deepEqual(c.env, ['A=web/host1', 'T=front']);
    assert.equal(c.hostname, 'web-3');
    assert.equal(c.mounts[0]?.source, 'data-3');
  });

  it('counts swap beside the memory, and leaves what is the machine’s to it', () => {
    const resourcesOf = (r: Partial<ResourceRequirements>) => {
      const limits = Resources.create({ memoryBytes: 100 });
      const { memorySwapBytes, memorySwappiness } = configOf(
        task({}, { resources: ResourceRequirements.create({ limits, ...r }) }),
      ).resources;
      return [memorySwapBytes, memorySwappiness];
    };
    assert.deepEqual(resourcesOf({}), [undefined, undefined]);
    assert.deepEqual(resourcesOf({ hasSwap: true, hasMemorySwappiness: true }), [100, 0]);
    assert.deepEqual(
      resourcesOf({ hasSwap: true, swapBytes: 50, hasMemorySwappiness: true, memorySwappiness: 7 }),
      [150, 7],
    );
    const none = { hasSwap: true, swapBytes: -1, hasMemorySwappiness: true, memorySwappiness: -1 };
    assert.deepEqual(resourcesOf(none), [-1, undefined]);
  });

  it('hands on the options of its place on a network', () => {
    const network = Network.create({
      id: 'n1',
      spec: NetworkSpec.create({ annotations: { name: 'back', labels: {} } }),
    });
    const wishes = (target: string) => {
      const networks = [NetworkAttachmentConfig.create({ target, driverOpts: { a: 'b' } })];
      return configOf(task({}, { networks }, { networks: [NetworkAttachment.create({ network })] })).networks;
    };
    for (const target of ['n1', 'back']) assert.deepEqual(wishes(target)?.[0]?.driverOptions, { a: 'b' });
    assert.equal(wishes('other')?.[0]?.driverOptions, undefined);
  });

  it('hands on the options of a tmpfs', () => {
    const tmpfs = Mount.create({ type: MountType.TMPFS, target: '/t', tmpfsOptions: ['exec', 'uid=5'] });
    const [first, second] = configOf(task({ mounts: [tmpfs, { ...tmpfs, tmpfsOptions: [] }] })).mounts;
    assert.deepEqual([first?.tmpfsOptions, first?.isListed], [['exec', 'uid=5'], true]);
    assert.equal(second?.tmpfsOptions, undefined);
  });

  it('refuses a placeholder that does not exist', () => {
    assert.throws(
      () => expandTemplate('{{.Task.Nope}}', { task: task({}), nodeHostname: '' }),
      /"\{\{\.Task\.Nope\}\}": .*can't evaluate field Nope/,
    );
    assert.throws(
      () => expandTemplate('{{.Node', { task: task({}), nodeHostname: '' }),
      /"\{\{\.Node": .*unclosed action/,
    );
  });

  it('trims white space, takes literals, labels by name and the platform', () => {
    const nodePlatform = { architecture: 'x86_64', os: 'linux' };
    const expanded = (text: string) => expandTemplate(text, { task: task({}), nodeHostname: 'h', nodePlatform });
    assert.equal(expanded('a {{- .Task.Slot -}} b'), 'a3b');
    assert.equal(expanded('{{"{{"}} {{`x`}}'), '{{ x');
    assert.equal(expanded('{{.Service.Labels.tier}}{{index .Service.Labels "none"}}'), 'front');
    assert.throws(() => expanded('{{.Service.Labels.none}}'), /can't evaluate field none/);
    assert.equal(expanded('{{if eq .Service.Name "web"}}{{printf "%03s" .Task.Slot}}{{end}}'), '003');
    assert.equal(expanded('{{join "-" .Service.Name .Task.Slot}}'), 'web-3');
    assert.equal(expanded('{{.Node.Platform.OS}}/{{.Node.Platform.Architecture}}'), 'linux/x86_64');
  });

  it('gets secrets under /run/secrets and configs under /', () => {
    const secret = Secret.create({ id: 's', spec: SecretSpec.create({ data: Uint8Array.of(1) }) });
    const config = Config.create({ id: 'c', spec: ConfigSpec.create({ data: Uint8Array.of(2) }) });
    const file = (name: string) => FileTarget.create({ name, uid: '7', gid: '8', mode: 0o400 });
    const t = task({
      secrets: [{ secretId: 's', secretName: 'db', file: file('password') }],
      configs: [
        { configId: 'c', configName: 'nginx', file: file('/etc/nginx.conf'), runtime: false },
        { configId: 'c', configName: 'plain', file: undefined, runtime: false },
      ],
    });
    const files = configOf(t, {
      secret: (id: string) => (id === 's' ? secret : undefined),
      config: () => config,
      volume: NO_FILES.volume,
    } as never).files;
    assert.deepEqual(
      files?.map((f) => [f.path, [...f.content], f.uid, f.gid, f.mode]),
      [
        ['/run/secrets/password', [1], 7, 8, 0o400],
        ['/etc/nginx.conf', [2], 7, 8, 0o400],
        ['/plain', [2], 0, 0, 0o444],
      ],
    );
  });
});

describe('payloads with a template', () => {
  const secret = (data: string, driver = 'golang') =>
    Secret.create({ spec: SecretSpec.create({ data: Buffer.from(data), templating: { name: driver, options: {} } }) });
  const plain = Secret.create({ spec: SecretSpec.create({ data: Buffer.from('s3cret') }) });
  const configFile = Config.create({ spec: ConfigSpec.create({ data: Buffer.from('conf') }) });
  const reference = (secretId: string, name: string) => ({
    secretId,
    secretName: `stored-${name}`,
    file: FileTarget.create({ name }),
  });

  function contentOf(template: string, driver?: string): string {
    const t = task({
      env: ['HOST={{.Node.Hostname}}'],
      secrets: [reference('template', 'out'), reference('plain', 'password')],
      configs: [{ configId: 'c', configName: 'c', file: FileTarget.create({ name: '/etc/c' }), runtime: false }],
    });
    const files = {
      secret: (id: string) => (id === 'template' ? secret(template, driver) : plain),
      config: () => configFile,
      volume: NO_FILES.volume,
    };
    const [out] = containerConfigOf(t, 'host1', files).files ?? [];
    return Buffer.from(out?.content ?? []).toString();
  }

  it('know the service, the node, the task, and other files and variables of the container', () => {
    assert.equal(
      contentOf(
        '{{.Service.Name}} {{.Node.Hostname}} {{.Task.Slot}} {{secret "password"}} {{ config "/etc/c" }} {{env "HOST"}}',
      ),
      'web host1 3 s3cret conf host1',
    );
  });

  it('are refused where they name what is not there, or another driver', () => {
    assert.throws(() => contentOf('{{secret "other"}}'), /expanding template failed: the service has no secret other/);
    assert.throws(() => contentOf('{{.Nothing}}'), /can't evaluate field Nothing/);
    assert.throws(() => contentOf('x', 'jinja'), /only golang is known/);
  });
});

describe('what a service asks for beyond', () => {
  const configWith = (labels: Record<string, string>, extra: Partial<Task> = {}) =>
    configOf(task({}, {}, { serviceAnnotations: { name: 'web', labels }, ...extra }));

  it('is in its labels', () => {
    const c = configWith({
      'swarmts.privileged': 'true',
      'swarmts.devices': '/dev/a:/dev/b:r',
      'swarmts.security-opt': 'no-new-privileges,seccomp=unconfined',
      'swarmts.gpus': 'all',
      'swarmts.userns': 'host',
    });
    assert.deepEqual([c.privileged, c.noNewPrivileges, c.seccompUnconfined], [true, true, true]);
    assert.equal(c.usernsMode, 'host');
    assert.deepEqual(c.devices, [{ hostPath: '/dev/a', containerPath: '/dev/b', permissions: 'r' }]);
    assert.deepEqual(c.cdiDevices, ['nvidia.com/gpu=all']);
  });

  it('is an address for its host-mode ports', () => {
    const ports = [PortConfig.create({ targetPort: 80, publishedPort: 8080, publishMode: PublishMode.HOST })];
    const c = configWith({ 'swarmts.publish.host-ip': '80=127.0.0.1' }, { endpoint: Endpoint.create({ ports }) });
    assert.deepEqual(c.ports, [{ protocol: 'tcp', targetPort: 80, publishedPort: 8080, hostIp: '127.0.0.1' }]);
  });

  it('leaves to the node what the task does not say', () => {
    const plain = configWith({}, {});
    assert.deepEqual([plain.log, plain.init], [undefined, undefined]);
    const log = { name: '', options: { 'max-size': '1m' } };
    assert.deepEqual(configWith({}, { logDriver: log }).log, { driver: '', options: log.options });
  });
});
