import assert from 'node:assert/strict';
import { SwarmtsError } from '@swarmts/lib';
import fc from 'fast-check';
import { JsonObject } from '../json/object.js';
import { serviceOfVersion } from './service-by-version.js';
import { readServiceSpec, serviceSpecJson } from './service-spec.js';

/** Every field that a client may set, in the form in which it is shown. */
const full = {
  Name: 'web',
  Labels: { a: 'b' },
  TaskTemplate: {
    ContainerSpec: {
      Image: 'alpine:3',
      Labels: { c: 'd' },
      Command: ['sh', '-c'],
      Args: ['sleep 1'],
      Hostname: 'h',
      Env: ['A=b'],
      Dir: '/tmp',
      User: '1:1',
      Groups: ['2'],
      Privileges: {
        CredentialSpec: null,
        SELinuxContext: null,
        Seccomp: { Mode: 'unconfined' },
        AppArmor: { Mode: 'disabled' },
        NoNewPrivileges: true,
      },
      TTY: true,
      OpenStdin: true,
      ReadOnly: true,
      Mounts: [
        { Type: 'bind', Source: '/a', Target: '/b', ReadOnly: true, BindOptions: { Propagation: 'rslave' } },
        { Type: 'bind', Source: '/c', Target: '/d', ReadOnly: true, BindOptions: { ReadOnlyNonRecursive: true } },
        { Type: 'bind', Source: '/e', Target: '/f', ReadOnly: true, BindOptions: { ReadOnlyForceRecursive: true } },
        { Type: 'volume', Source: 'v', Target: '/v', VolumeOptions: { NoCopy: true, DriverConfig: { Name: 'local' } } },
        {
          Type: 'tmpfs',
          Target: '/t',
          TmpfsOptions: { SizeBytes: 4096, Mode: 0o700, Options: [['exec'], ['uid', '5']] },
        },
      ],
      StopSignal: 'SIGINT',
      StopGracePeriod: 0,
      Healthcheck: {
        Test: ['CMD', 'true'],
        Interval: 1e9,
        Timeout: 2e9,
        Retries: 3,
        StartPeriod: 4e9,
        StartInterval: 5e9,
      },
      Hosts: ['1.2.3.4 host'],
      DNSConfig: { Nameservers: ['1.1.1.1'], Search: ['x'], Options: ['ndots:1'] },
      Secrets: [{ File: { Name: 's', UID: '0', GID: '0', Mode: 0o444 }, SecretID: 'sid', SecretName: 's' }],
      Configs: [{ File: { Name: '/c', UID: '0', GID: '0', Mode: 0o444 }, ConfigID: 'cid', ConfigName: 'c' }],
      Isolation: 'default',
      Init: false,
      Sysctls: { 'net.core.somaxconn': '1' },
      CapabilityAdd: ['CAP_NET_ADMIN'],
      CapabilityDrop: ['CAP_CHOWN'],
      Ulimits: [{ Name: 'nofile', Soft: 1, Hard: -1 }],
      OomScoreAdj: -5,
    },
    Resources: {
      Limits: { NanoCPUs: 5e8, MemoryBytes: 1 << 24, Pids: 10 },
      Reservations: {
        NanoCPUs: 1e8,
        GenericResources: [
          { DiscreteResourceSpec: { Kind: 'ssd', Value: 2 } },
          { NamedResourceSpec: { Kind: 'gpu', Value: 'uuid' } },
        ],
      },
      SwapBytes: -1,
      MemorySwappiness: 0,
    },
    RestartPolicy: { Condition: 'on-failure', Delay: 0, MaxAttempts: 3, Window: 1e9 },
    Placement: {
      Constraints: ['node.role==worker'],
      Preferences: [{ Spread: { SpreadDescriptor: 'node.labels.zone' } }],
      MaxReplicas: 2,
      Platforms: [{ Architecture: 'amd64', OS: 'linux' }],
    },
    Networks: [{ Target: 'net', Aliases: ['web'] }],
    LogDriver: { Name: 'json-file', Options: { 'max-size': '1m' } },
    ForceUpdate: 7,
    Runtime: 'container',
  },
  Mode: { Replicated: { Replicas: 0 } },
  UpdateConfig: {
    Parallelism: 0,
    Delay: 1,
    FailureAction: 'rollback',
    Monitor: 2,
    MaxFailureRatio: 0.25,
    Order: 'start-first',
  },
  RollbackConfig: { Parallelism: 1, FailureAction: 'pause', MaxFailureRatio: 0, Order: 'stop-first' },
  EndpointSpec: {
    Mode: 'vip',
    Ports: [{ Protocol: 'udp', TargetPort: 53, PublishedPort: 5353, PublishMode: 'host' }],
  },
};

const roundTrip = (json: Readonly<Record<string, unknown>>) => serviceSpecJson(readServiceSpec(new JsonObject(json)));

function refused(json: Readonly<Record<string, unknown>>): string {
  try {
    readServiceSpec(new JsonObject(json));
  } catch (e) {
    assert.ok(e instanceof SwarmtsError);
    return e.message;
  }
  throw new assert.AssertionError({ message: 'nothing was refused' });
}

describe('service specs', () => {
  it('come back as they were given, field by field', () => {
    assert.deepEqual(roundTrip(full), full);
  });

  it('keep each mode', () => {
    for (const Mode of [
      { Replicated: { Replicas: 3 } },
      { Global: {} },
      { GlobalJob: {} },
      { ReplicatedJob: { MaxConcurrent: 2, TotalCompletions: 5 } },
    ]) {
      assert.deepEqual(roundTrip({ ...full, Mode }).Mode, Mode);
    }
  });

  it('have one replica when they say nothing', () => {
    assert.deepEqual(roundTrip({ Name: 'x' }).Mode, { Replicated: { Replicas: 1 } });
    assert.deepEqual(roundTrip({ Name: 'x', Mode: { Replicated: {} } }).Mode, { Replicated: { Replicas: 1 } });
  });

  it('tell a delay of zero from none at all', () => {
    const spec = (RestartPolicy: unknown) => readServiceSpec(new JsonObject({ TaskTemplate: { RestartPolicy } }));
    assert.equal(spec({ Delay: 0 }).task?.restart?.hasDelay, true);
    assert.equal(spec({}).task?.restart?.hasDelay, false);
  });

  it('never show registry credentials', () => {
    const spec = readServiceSpec(new JsonObject(full));
    assert.ok(spec.task?.container);
    const task = { ...spec.task, container: { ...spec.task.container, registryAuth: 'c2VjcmV0' } };
    assert.equal(JSON.stringify(serviceSpecJson({ ...spec, task })).includes('c2VjcmV0'), false);
  });

  it('read networks beside the template, as old clients send them', () => {
    const spec = readServiceSpec(new JsonObject({ Name: 'x', Networks: [{ Target: 'n' }] }));
    const shown = serviceSpecJson(spec) as { Networks?: unknown; TaskTemplate: { Networks?: unknown } };
    assert.deepEqual([shown.Networks, shown.TaskTemplate.Networks], [[{ Target: 'n' }], undefined]);
    assert.deepEqual(
      spec.task?.networks.map((n) => n.target),
      ['n'],
    );
  });

  it('ignore unknown fields', () => {
    assert.deepEqual(roundTrip({ ...full, Unknown: { deep: [1] } }), full);
  });

  it('are refused with the name of the field that is wrong', () => {
    assert.match(refused({ TaskTemplate: { ContainerSpec: { Image: 1 } } }), /TaskTemplate\.ContainerSpec\.Image/);
    assert.match(refused({ Mode: { Global: {}, Replicated: {} } }), /only one service mode/);
    assert.match(
      refused({ Mode: { Replicated: { Replicas: -1 } } }),
      /Mode\.Replicated\.Replicas must not be negative/,
    );
    assert.match(refused({ UpdateConfig: { Order: 'x' } }), /UpdateConfig\.Order.*stop-first, start-first/);
    assert.match(
      refused({ EndpointSpec: { Ports: [{ TargetPort: 70000 }] } }),
      /EndpointSpec\.Ports\[0\]\.TargetPort: 70000/,
    );
    assert.match(refused({ TaskTemplate: { Runtime: 'plugin' } }), /runtime "plugin" is not supported/);
  });

  it('answer any JSON with a spec or a SwarmtsError', () => {
    fc.assert(
      fc.property(
        fc.record({
          Name: fc.jsonValue(),
          TaskTemplate: fc.oneof(
            fc.jsonValue(),
            fc.record({ ContainerSpec: fc.jsonValue(), Resources: fc.jsonValue() }),
          ),
          Mode: fc.jsonValue(),
          EndpointSpec: fc.jsonValue(),
        }),
        (json) => {
          try {
            serviceSpecJson(readServiceSpec(new JsonObject(json)));
          } catch (e) {
            assert.ok(e instanceof SwarmtsError, String(e));
          }
        },
      ),
    );
  });

  it('show what docker-py sends as nothing and as zero in the way of dockerd', () => {
    const SELinuxContext = { Disable: true, User: null, Role: null, Type: null, Level: null };
    const RestartPolicy = { Condition: 'none', Delay: 0, MaxAttempts: 0, Window: 0 };
    const ContainerSpec = { Image: 'a', Privileges: { SELinuxContext } };
    const shown = serviceSpecJson(
      readServiceSpec(new JsonObject({ Name: 'x', TaskTemplate: { ContainerSpec, RestartPolicy } })),
    ) as { TaskTemplate: { ContainerSpec: { Privileges: unknown }; RestartPolicy: unknown } };
    assert.deepEqual(shown.TaskTemplate.RestartPolicy, RestartPolicy);
    assert.deepEqual(shown.TaskTemplate.ContainerSpec.Privileges, {
      CredentialSpec: null,
      SELinuxContext: { Disable: true, User: '', Role: '', Type: '', Level: '' },
    });
  });
});

describe('a service spec of an old client', () => {
  interface Shown {
    readonly TaskTemplate: {
      readonly ContainerSpec: Readonly<Record<string, unknown>> & {
        readonly Privileges: object;
        readonly Healthcheck: object;
        readonly Mounts: readonly { readonly TmpfsOptions?: object }[];
      };
      readonly Resources: object;
      readonly Placement: object;
    };
  }
  const of = (minor: number): Shown =>
    serviceSpecJson(serviceOfVersion(readServiceSpec(new JsonObject(full)), [1, minor])) as object as Shown;

  it('is whole for those of today', () => {
    assert.deepEqual(of(52), serviceSpecJson(readServiceSpec(new JsonObject(full))));
  });

  it('has nothing that its version does not have', () => {
    const container = (minor: number) => of(minor).TaskTemplate.ContainerSpec;
    assert.ok(!('SwapBytes' in of(51).TaskTemplate.Resources) && 'OomScoreAdj' in container(51));
    assert.ok(!('OomScoreAdj' in container(45)) && 'Seccomp' in container(45).Privileges);
    assert.ok(!container(45).Mounts.some((m) => 'Options' in (m.TmpfsOptions ?? {})));
    assert.deepEqual(container(43).Privileges, { CredentialSpec: null, SELinuxContext: null });
    assert.ok(!('StartInterval' in container(43).Healthcheck) && 'Ulimits' in container(43));
    assert.ok(!('Ulimits' in container(40)) && !('CapabilityAdd' in container(40)) && 'Sysctls' in container(40));
    assert.ok('MaxReplicas' in of(40).TaskTemplate.Placement);
    assert.ok(!('Sysctls' in container(39)) && !('MaxReplicas' in of(39).TaskTemplate.Placement));
  });
});
