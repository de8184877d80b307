import assert from 'node:assert/strict';
import {
  Annotations,
  ConfigReference,
  ContainerSpec,
  ENDPOINT_SYSCTLS,
  EndpointSpec,
  GenericResource,
  HealthConfig,
  Mount,
  MountType,
  NetworkAttachmentConfig,
  PortConfig,
  Privileges,
  PublishMode,
  ResourceRequirements,
  Resources,
  SecretReference,
  type ServiceSpec,
  TaskSpec,
} from '@swarmts/proto';
import { NOW, testService } from '../orchestrator/testing.js';
import { validateServiceSpec } from './validate-service.js';

function specOf(container: Partial<ContainerSpec>, more: Partial<ServiceSpec> = {}): ServiceSpec {
  const { spec } = testService();
  assert.ok(spec);
  return {
    ...spec,
    task: TaskSpec.create({ container: ContainerSpec.create({ image: 'app', ...container }) }),
    ...more,
  };
}
const accepted = (container: Partial<ContainerSpec>, more: Partial<ServiceSpec> = {}) =>
  assert.doesNotThrow(() => validateServiceSpec(specOf(container, more), NOW));
const refused = (why: RegExp, container: Partial<ContainerSpec>, more: Partial<ServiceSpec> = {}) =>
  assert.throws(() => validateServiceSpec(specOf(container, more), NOW), why);

describe('a service spec', () => {
  it('has variables for secrets of its own alone', () => {
    const secrets = [SecretReference.create({ secretId: 's', secretName: 'db', file: { name: 'db' } as never })];
    const labelled = (value: string) => ({
      annotations: { name: 'web', labels: { 'swarmts.secrets.env': value } },
    });
    accepted({ secrets }, labelled('PASSWORD=db'));
    refused(/the service has no secret other, which KEY is to hold/, { secrets }, labelled('KEY=other'));
    refused(/PASSWORD has a value already/, { secrets, env: ['PASSWORD=x'] }, labelled('PASSWORD=db'));
  });

  it('asks for amounts of generic resources, not for names', () => {
    const wants = (g: Partial<GenericResource>) => {
      const reservations = Resources.create({ generic: [GenericResource.create({ kind: 'gpu', ...g })] });
      const resources = ResourceRequirements.create({ reservations });
      return { task: TaskSpec.create({ container: ContainerSpec.create({ image: 'app' }), resources }) };
    };
    accepted({}, wants({ count: 2 }));
    refused(/generic resource gpu=uuid: services ask for an amount, not for names/, {}, wants({ value: 'uuid' }));
  });

  it('has confinement that nodes know', () => {
    const privileges = (p: Partial<Privileges>) => ({ privileges: Privileges.create(p) });
    const seccompProfile = Buffer.from('{"defaultAction":"SCMP_ACT_ALLOW"}');
    for (const seccompMode of ['', 'default', 'unconfined']) accepted(privileges({ seccompMode }));
    accepted(privileges({ seccompMode: 'custom', seccompProfile, apparmorMode: 'disabled' }));
    refused(/unknown seccomp mode "off": use default, unconfined or custom/, privileges({ seccompMode: 'off' }));
    refused(/unknown AppArmor mode "unconfined": use default or disabled/, privileges({ apparmorMode: 'unconfined' }));
    refused(/profile is for the seccomp mode custom/, privileges({ seccompMode: 'unconfined', seccompProfile }));
    for (const profile of ['', '{'])
      refused(/needs a profile, which is JSON/, {
        ...privileges({ seccompMode: 'custom', seccompProfile: Buffer.from(profile) }),
      });
  });

  it('has swap beside memory that is limited', () => {
    const swap = (r: Partial<ResourceRequirements>, memoryBytes = 64 << 20) => ({
      task: TaskSpec.create({
        container: ContainerSpec.create({ image: 'app' }),
        resources: ResourceRequirements.create({ limits: Resources.create({ memoryBytes }), ...r }),
      }),
    });
    for (const swapBytes of [-1, 0, 5]) accepted({}, swap({ hasSwap: true, swapBytes }));
    for (const memorySwappiness of [-1, 0, 100]) accepted({}, swap({ hasMemorySwappiness: true, memorySwappiness }, 0));
    refused(/memory swap provided, but no memory-limit was set/, {}, swap({ hasSwap: true, swapBytes: 5 }, 0));
    refused(/invalid memory swap value -2/, {}, swap({ hasSwap: true, swapBytes: -2 }));
    refused(/invalid memory swappiness 101/, {}, swap({ hasMemorySwappiness: true, memorySwappiness: 101 }));
  });

  it('has kernel settings of interfaces that are some', () => {
    const set = (text: string) => ({
      task: TaskSpec.create({
        container: ContainerSpec.create({ image: 'app' }),
        networks: [NetworkAttachmentConfig.create({ target: 'n', driverOpts: { [ENDPOINT_SYSCTLS]: text } })],
      }),
    });
    accepted({}, set('net.ipv4.conf.IFNAME.log_martians=1'));
    refused(/unrecognised network interface sysctl 'kernel.x=1'/, {}, set('kernel.x=1'));
  });

  it('names an image that there can be', () => {
    for (const image of ['app', 'registry:5000/team/app:1.2', `app@sha256:${'0'.repeat(64)}`]) accepted({ image });
    for (const image of ['a//b', ':x', 'registry:5000/app:a:b', 'app@sha256:abc', 'App', 'a b'])
      refused(new RegExp(`"${image}" is not a valid repository/tag`), { image });
  });

  it('has a health check that makes sense', () => {
    accepted({ healthcheck: HealthConfig.create({ test: ['CMD', 'true'], intervalNs: 1e6 }) });
    refused(/Interval in HealthConfig cannot be less than 1ms/, {
      healthcheck: HealthConfig.create({ intervalNs: 1000 }),
    });
    refused(/Timeout in HealthConfig/, { healthcheck: HealthConfig.create({ timeoutNs: -1 }) });
    refused(/Retries in HealthConfig cannot be negative/, { healthcheck: HealthConfig.create({ retries: -1 }) });
  });

  it('gives each secret and config a target of its own', () => {
    const file = (name: string) => ({ name, uid: '0', gid: '0', mode: 0o444 });
    const secret = (secretName: string, target?: string) =>
      SecretReference.create({ secretId: 'id', secretName, file: target === undefined ? undefined : file(target) });
    const config = (configName: string, target: string) =>
      ConfigReference.create({ configId: 'id', configName, file: file(target) });
    accepted({ secrets: [secret('a', 'x'), secret('b', 'y')], configs: [config('c', 'x')] });
    refused(/secret references 'a' and 'b' have a conflicting target: 'x'/, {
      secrets: [secret('a', 'x'), secret('b', 'x')],
    });
    refused(/config references 'a' and 'b' have a conflicting target: 'x'/, {
      configs: [config('a', 'x'), config('b', 'x')],
    });
    refused(/malformed secret reference 'a', no target provided/, { secrets: [secret('a')] });
    refused(/malformed file secret reference 'a', invalid target file name/, { secrets: [secret('a', '')] });
    refused(/malformed secret reference/, { secrets: [secret('', 'x')] });
  });

  it('has placeholders that can be filled in', () => {
    accepted({ hostname: '{{.Node.Hostname}}-{{.Task.Slot}}', env: ['A={{.Node.Platform.OS}}'] });
    refused(/"A=\{\{\.Nope\}\}": .*can't evaluate field Nope/, { env: ['A={{.Nope}}'] });
    refused(/unclosed action/, { hostname: '{{.Node' });
    const mounts = [Mount.create({ type: MountType.VOLUME, source: 'data-{{.Task.Nope}}', target: '/d' })];
    refused(/"data-\{\{\.Task\.Nope\}\}": .*field Nope/, { mounts });
  });

  it('wishes nothing of ports that are not published that way', () => {
    const labels = (name: string, value: string) => ({
      annotations: Annotations.create({ name: 'web', labels: { [`swarmts.publish.${name}`]: value } }),
    });
    const { HOST, INGRESS } = PublishMode;
    const published = (publishMode: PublishMode) => ({
      endpoint: EndpointSpec.create({ ports: [PortConfig.create({ publishMode, targetPort: 80 })] }),
    });
    accepted({}, { ...labels('prefer-local', '80'), ...published(INGRESS) });
    accepted({}, { ...labels('host-ip', '80=127.0.0.1'), ...published(HOST) });
    refused(
      /prefer-local names 80\/tcp, which is not published with mode=ingress/,
      {},
      {
        ...labels('prefer-local', '80/tcp'),
        ...published(HOST),
      },
    );
    refused(
      /prefer-local names 81\/udp, which is not published/,
      {},
      {
        ...labels('prefer-local', '80,81/udp'),
        ...published(INGRESS),
      },
    );
    refused(/host-ip names 80\/tcp, which is not published with mode=host/, {}, labels('host-ip', '80=127.0.0.1'));
  });

  it('publishes a port once', () => {
    const port = (publishMode: PublishMode, hostIp = '') =>
      PortConfig.create({ publishMode, hostIp, publishedPort: 8000, targetPort: 80 });
    const endpoint = (...ports: readonly PortConfig[]) => ({ endpoint: EndpointSpec.create({ ports }) });
    const { HOST, INGRESS } = PublishMode;
    refused(/duplicate published ports provided: 8000/, {}, endpoint(port(INGRESS), port(HOST)));
    refused(/duplicate published ports/, {}, endpoint(port(HOST), port(HOST)));
    accepted({}, endpoint(port(HOST, '127.0.0.1'), port(HOST, '192.0.2.1')));
  });
});
