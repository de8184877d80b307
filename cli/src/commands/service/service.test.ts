import assert from 'node:assert/strict';
import type { ServiceSpec } from '../../engine-types.js';
import { type FakeRoutes, runCli } from '../../testing/fake-api.js';
import { node, service, task } from '../../testing/objects.js';

const ID = service().ID;
const answers: FakeRoutes = {
  'POST /services/create': () => ({ status: 201, json: { ID, Warnings: ['take care'] } }),
  [`POST /services/${ID}/update`]: () => ({ json: {} }),
  'GET /services/web': () => ({ json: service() }),
  [`GET /services/${ID}`]: () => ({ json: service() }),
  'GET /services': () => ({ json: [service()] }),
  'GET /tasks': () => ({ json: [1, 2, 3].map((n) => task(n, 'running')) }),
  'GET /nodes': () => ({ json: [node('node1', 'w1')] }),
  'GET /configs': () => ({ json: [{ ID: 'cid', Spec: { Name: 'site' } }] }),
  'GET /secrets': () => ({ json: [{ ID: 'sid', Spec: { Name: 'key' } }] }),
  'GET /networks/front': () => ({ json: { Id: 'netid' } }),
  'GET /distribution/whoami:latest/json': () => ({
    json: { Descriptor: { digest: 'sha256:d1' }, Platforms: [{ architecture: 'amd64', os: 'linux' }] },
  }),
};

async function sent(argv: readonly string[]): Promise<ServiceSpec> {
  const { code, err, requests } = await runCli(argv, answers);
  assert.equal(code, 0, err);
  const body = requests.find((r) => r.method === 'POST')?.body;
  assert.ok(typeof body === 'object' && body !== null);
  return body;
}

describe('ports that keep to their node', () => {
  it('are told by a label, and forgotten when they are withdrawn', async () => {
    const label = 'swarmts.publish.prefer-local';
    const made = await sent(['service', 'create', '-d', '-p', 'target=80,published=8080,local=prefer', 'whoami']);
    assert.deepEqual(made.Labels, { [label]: '80/tcp' });
    const old = { ...service(), Spec: { ...service().Spec, Labels: { [label]: '80,81/udp' } } };
    const update = async (...flags: string[]) => {
      const argv = ['service', 'update', '-d', ...flags, 'web'];
      const { requests } = await runCli(argv, { ...answers, 'GET /services/web': () => ({ json: old }) });
      return (requests.find((r) => r.method === 'POST')?.body as ServiceSpec).Labels;
    };
    assert.deepEqual(await update('--publish-rm', '80'), { [label]: '81/udp' });
    assert.deepEqual(await update('--publish-rm', '80', '--publish-rm', '81/udp'), {});
  });
});

describe('secrets in variables', () => {
  const LABEL = 'swarmts.secrets.env';

  it('are kept as a label beside the file', async () => {
    const spec = await sent(['service', 'create', '-d', '--secret', 'source=key,env=KEY', 'whoami']);
    assert.deepEqual(spec.Labels, { [LABEL]: 'KEY=key' });
    const secrets = spec.TaskTemplate?.ContainerSpec?.Secrets;
    assert.deepEqual(
      secrets?.map((s) => Object.keys(s)),
      [['SecretID', 'SecretName', 'File']],
    );
  });

  it('need a name that a variable can have', async () => {
    const r = await runCli(['service', 'create', '--secret', 'source=key,env=1X', 'whoami'], answers);
    assert.match(r.err, /invalid variable 1X/);
  });
});

describe('service create', () => {
  it('turns flags into the spec and leaves what follows the image alone', async () => {
    const spec = await sent([
      ...['service', 'create', '-d', '--name', 'web', '--replicas', '5', '-e', 'A=1', '-e', 'A=2', '--label', 'x=y'],
      ...['--publish', '8080:80', '-p', 'mode=host,target=53,protocol=udp', '--constraint', 'node.role==worker'],
      ...['--limit-cpu', '.5', '--limit-memory', '64m', '--mount', 'type=bind,src=/a,dst=/b,ro', '--secret', 'key'],
      ...[
        '--network',
        'name=front,alias=f,ip=10.9.0.9',
        '--update-delay',
        '10s',
        '--health-cmd',
        'true',
        '--restart-condition',
        'none',
      ],
      ...['--placement-pref', 'spread=node.labels.zone', '--ulimit', 'nofile=1:2', '--cap-add', 'net_admin'],
      ...['whoami', '--flag', '-x'],
    ]);
    assert.deepEqual(spec, {
      Name: 'web',
      Labels: { x: 'y' },
      Mode: { Replicated: { Replicas: 5 } },
      TaskTemplate: {
        ContainerSpec: {
          Image: 'whoami:latest@sha256:d1',
          Args: ['--flag', '-x'],
          Env: ['A=2'],
          Mounts: [{ Type: 'bind', Source: '/a', Target: '/b', ReadOnly: true }],
          Secrets: [{ SecretID: 'sid', SecretName: 'key', File: { Name: 'key', UID: '0', GID: '0', Mode: 0o444 } }],
          Ulimits: [{ Name: 'nofile', Soft: 1, Hard: 2 }],
          Healthcheck: { Test: ['CMD-SHELL', 'true'] },
          CapabilityAdd: ['CAP_NET_ADMIN'],
        },
        Resources: { Limits: { NanoCPUs: 5e8, MemoryBytes: 64 * 1024 ** 2 }, Reservations: {} },
        RestartPolicy: { Condition: 'none', Delay: 5e9 },
        Placement: {
          Constraints: ['node.role==worker'],
          Preferences: [{ Spread: { SpreadDescriptor: 'node.labels.zone' } }],
          Platforms: [{ Architecture: 'amd64', OS: 'linux' }],
        },
        Networks: [{ Target: 'netid', Aliases: ['f'], Addresses: ['10.9.0.9'] }],
      },
      UpdateConfig: {
        Parallelism: 1,
        Delay: 10e9,
        FailureAction: 'pause',
        Monitor: 5e9,
        MaxFailureRatio: 0,
        Order: 'stop-first',
      },
      EndpointSpec: {
        Ports: [
          { Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080, PublishMode: 'ingress' },
          { Protocol: 'udp', TargetPort: 53, PublishMode: 'host' },
        ],
      },
    });
  });

  it('publishes a container port under each port of a range', async () => {
    const spec = await sent(['service', 'create', '-d', '-p', '8000-8001:80', 'whoami']);
    assert.deepEqual(
      spec.EndpointSpec?.Ports?.map((p) => [p.PublishedPort, p.TargetPort]),
      [
        [8000, 80],
        [8001, 80],
      ],
    );
  });

  it('waits for convergence, and shows the warnings of the daemon', async () => {
    const { code, out, err } = await runCli(['service', 'create', 'whoami'], answers);
    assert.deepEqual([code, err], [0, 'take care\n']);
    const lines = out.split('\n');
    assert.deepEqual(lines.slice(0, 3), [
      ID,
      'overall progress: 3 out of 3 tasks',
      'verify: Waiting 6 seconds to verify that tasks are stable...',
    ]);
    assert.equal(lines.at(-2), 'verify: Service converged');
  });

  it('leaves the operation to the background at ^C', async () => {
    const pending = { ...answers, 'GET /tasks': () => ({ json: [] }) };
    const { code, out } = await runCli(['service', 'create', 'whoami'], pending, { interruptAtSleep: (n) => n === 2 });
    assert.equal(code, 0);
    assert.ok(
      out.endsWith(`Operation continuing in background.\nUse \`swarmts service ps ${ID}\` to check progress.\n`),
    );
  });

  it('goes on with the tag when no registry answers', async () => {
    const routes = {
      ...answers,
      'GET /distribution/whoami:latest/json': () => ({ status: 404, json: { message: 'x' } }),
    };
    const { err, requests } = await runCli(['service', 'create', '-d', 'whoami'], routes);
    assert.match(err, /^image whoami:latest could not be accessed on a registry to record\n/);
    assert.match(JSON.stringify(requests.at(-1)?.body), /"Image":"whoami"/);
  });

  for (const [flags, message] of [
    [['--replicas', 'x'], 'invalid argument "x" for "--replicas" flag: strconv.ParseUint: parsing "x": invalid syntax'],
    [['--limit-memory', 'x'], `invalid argument "x" for "--limit-memory" flag: invalid size: 'x'`],
    [['--mount', 'type=bind,dst=/x'], 'flag: source is required when using bind mounts'],
    [['--publish', '99999:80'], 'invalid argument "99999:80" for "-p, --publish" flag: invalid hostPort: 99999'],
    [['--publish', '80:99999'], 'invalid containerPort: 99999'],
    [['--publish', '8000-8002:80-81'], 'invalid ranges specified for container and host Ports: 80-81 and 8000-8002'],
    [['--dns', 'x'], 'invalid argument "x" for "--dns" flag: IP address is not correctly formatted: x'],
    [['--publish', 'target=80,mode=x'], "must be either 'ingress' or 'host'"],
    [['--mode', 'global', '--replicas', '2'], 'replicas can only be used with replicated or replicated-job mode'],
    [['--no-healthcheck', '--health-cmd', 'x'], '--no-healthcheck conflicts with --health-* options'],
    [['--stop-grace-period', '5'], 'time: missing unit in duration "5"'],
    [['--update-order', 'up'], 'must be one of start-first, stop-first'],
    [['--mode', 'x'], 'Unknown mode: x'],
    [['--secret', 'nope'], 'secret not found: nope'],
  ] as const) {
    it(`refuses ${flags.join(' ')}`, async () => {
      const { code, err, requests } = await runCli(['service', 'create', ...flags, 'whoami'], answers);
      assert.ok(code === 1 || code === 125);
      assert.ok(err.includes(message), err);
      assert.ok(!requests.some((r) => r.method === 'POST'));
    });
  }

  it('refuses image names that are none', async () => {
    for (const [image, message] of [
      ['Upper', 'invalid reference format: repository name must be lowercase\n'],
      ['a b', 'invalid reference format\n'],
    ] as const) {
      assert.equal((await runCli(['service', 'create', image], answers)).err, message);
    }
  });
});

describe('service update and scale', () => {
  const full: ServiceSpec = {
    Name: 'web',
    Labels: { keep: '1', gone: '1' },
    Mode: { Replicated: { Replicas: 3 } },
    TaskTemplate: { ContainerSpec: { Image: 'a', Env: ['A=1', 'B=2'], User: 'u' }, ForceUpdate: 1 },
    EndpointSpec: {
      Mode: 'vip',
      Ports: [{ Protocol: 'tcp', TargetPort: 80, PublishedPort: 80, PublishMode: 'ingress' }],
    },
  };
  const routes: FakeRoutes = { ...answers, 'GET /services/web': () => ({ json: service({ Spec: full }) }) };

  it('changes only what the flags say', async () => {
    const argv = ['--label-rm', 'gone', '--env-add', 'B=3', '--env-rm', 'A', '--publish-rm', '80', '--force'];
    const { requests } = await runCli(['service', 'update', '-d', ...argv, 'web'], routes);
    const post = requests.find((r) => r.method === 'POST');
    assert.deepEqual(post?.query, { version: '7', registryAuthFrom: 'spec' });
    assert.deepEqual(post?.body, {
      ...full,
      Labels: { keep: '1' },
      TaskTemplate: {
        ContainerSpec: { Image: 'a', Env: ['B=3'], User: 'u' },
        Resources: { Limits: {}, Reservations: {} },
        ForceUpdate: 2,
      },
      EndpointSpec: { Mode: 'vip' },
    });
  });

  const bodyOf = async (old: ServiceSpec, argv: readonly string[]) => {
    const r = { ...routes, 'GET /services/web': () => ({ json: service({ Spec: old }) }) };
    const { requests, err } = await runCli(['service', 'update', '-d', ...argv, 'web'], r);
    const body = requests.find((x) => x.method === 'POST')?.body as ServiceSpec | undefined;
    assert.ok(body, err);
    return body;
  };
  const withContainer = (ContainerSpec: object): ServiceSpec => ({ ...full, TaskTemplate: { ContainerSpec } });

  it('takes back a capability that was dropped before it adds it, and the other way round', async () => {
    const capabilities = async (add: readonly string[], drop: readonly string[], ...argv: readonly string[]) => {
      const body = await bodyOf(withContainer({ CapabilityAdd: add, CapabilityDrop: drop }), argv);
      const { CapabilityAdd = [], CapabilityDrop = [] } = body.TaskTemplate?.ContainerSpec ?? {};
      return [CapabilityAdd, CapabilityDrop];
    };
    assert.deepEqual(await capabilities([], ['CAP_CHOWN'], '--cap-add', 'chown'), [[], []]);
    assert.deepEqual(await capabilities(['CAP_CHOWN'], [], '--cap-drop', 'CHOWN'), [[], []]);
    assert.deepEqual(await capabilities([], [], '--cap-drop', 'CHOWN'), [[], ['CAP_CHOWN']]);
    assert.deepEqual(await capabilities(['ALL'], [], '--cap-add', 'CHOWN'), [['ALL'], []]);
    assert.deepEqual(await capabilities(['CAP_CHOWN'], ['CAP_KILL'], '--cap-add', 'reset'), [[], ['CAP_KILL']]);
    assert.deepEqual(await capabilities([], ['ALL'], '--cap-drop', 'RESET', '--cap-add', 'KILL'), [['CAP_KILL'], []]);
    assert.deepEqual(await capabilities([], [], '--cap-drop', 'KILL', '--cap-add', 'KILL'), [['CAP_KILL'], []]);
  });

  it('sets the isolation, and a credential spec in a file or a config, or takes it away', async () => {
    const privilegesAfter = async (credentialSpec: string, old: object = {}) => {
      const body = await bodyOf(withContainer(old), ['--credential-spec', credentialSpec]);
      return [body.TaskTemplate?.ContainerSpec?.Privileges, body.TaskTemplate?.ContainerSpec?.Configs];
    };
    const runtime = { ConfigID: 'cid', ConfigName: 'site', Runtime: {} };
    const file = { ConfigID: 'other', ConfigName: 'other', File: { Name: '/o', UID: '0', GID: '0', Mode: 0o444 } };
    assert.deepEqual(await privilegesAfter('file://x.json'), [{ CredentialSpec: { File: 'x.json' } }, undefined]);
    assert.deepEqual(await privilegesAfter('registry://k'), [{ CredentialSpec: { Registry: 'k' } }, undefined]);
    assert.deepEqual(await privilegesAfter('config://site', { Configs: [file] }), [
      { CredentialSpec: { Config: 'cid' } },
      [file, runtime],
    ]);
    const old = { Configs: [file, runtime], Privileges: { NoNewPrivileges: true, CredentialSpec: { Config: 'cid' } } };
    assert.deepEqual(await privilegesAfter('', old), [{ NoNewPrivileges: true, CredentialSpec: {} }, [file]]);
    assert.match(
      (await runCli(['service', 'update', '--credential-spec', 'x', 'web'], routes)).err,
      /must be prefixed/,
    );
    const isolated = await bodyOf(full, ['--isolation', 'default']);
    assert.equal(isolated.TaskTemplate?.ContainerSpec?.Isolation, 'default');
  });

  it('takes away a range of published ports', async () => {
    const port = (TargetPort: number) => ({ Protocol: 'tcp', TargetPort, PublishedPort: 8000, PublishMode: 'host' });
    const old = { ...full, EndpointSpec: { Mode: 'vip', Ports: [79, 80, 81, 82].map(port) } };
    const left = async (rm: string) =>
      (await bodyOf(old, ['--publish-rm', rm])).EndpointSpec?.Ports?.map((p) => p.TargetPort);
    assert.deepEqual(await left('80-81'), [79, 82]);
    assert.deepEqual(await left('8000-8002:80-82/udp'), [79, 80, 81, 82]);
    for (const rm of ['82-80', '80-70000', 'x'])
      assert.match((await runCli(['service', 'update', '--publish-rm', rm, 'web'], routes)).err, /invalid port/);
  });

  it('takes away a variable of the image that is named without a value', async () => {
    const body = await bodyOf(withContainer({ Env: ['A=1'] }), ['--env-add', 'NOBODY_HAS_THIS']);
    assert.deepEqual(body.TaskTemplate?.ContainerSpec?.Env, ['A=1', 'NOBODY_HAS_THIS']);
  });

  it('asks for no generic resource by its name', async () => {
    const r = await runCli(['service', 'update', '--generic-resource-add', 'gpu=uuid', 'web'], routes);
    assert.match(r.err, /services ask for an amount, not for names/);
  });

  it('rolls back by flag and by command', async () => {
    for (const argv of [
      ['service', 'update', '--rollback', '-d', 'web'],
      ['service', 'rollback', '-d', 'web'],
    ]) {
      const { out, requests } = await runCli(argv, routes);
      assert.deepEqual([out, requests.at(-1)?.query.rollback], ['web\n', 'previous']);
    }
    const mixed = await runCli(['service', 'update', '--rollback', '--force', 'web'], routes);
    assert.equal(mixed.err, 'other flags may not be combined with --rollback\n');
  });

  it('fails when the update is paused', async () => {
    const paused = service({ UpdateStatus: { State: 'paused', Message: 'task failed' } });
    const r = { ...routes, 'GET /services': () => ({ json: [paused] }) };
    const { code, err } = await runCli(['service', 'update', 'web'], r);
    assert.deepEqual([code, err], [1, 'service update paused: task failed\n']);
  });

  it('scales and waits', async () => {
    const { out, requests } = await runCli(['service', 'scale', 'web=3'], routes);
    assert.ok(out.startsWith('web scaled to 3\noverall progress: 3 out of 3 tasks\n'));
    assert.deepEqual(requests.find((r) => r.method === 'POST')?.body, full);
    assert.match((await runCli(['service', 'scale', 'web=x'], routes)).err, /^web: invalid replicas value x: /);
  });

  it('scales the others when one number is none, and nothing when a specifier is none', async () => {
    const r = await runCli(['service', 'scale', '-d', 'a=-1', '=3', 'web=3'], routes);
    assert.deepEqual([r.code, r.out], [1, 'web scaled to 3\n']);
    assert.equal(
      r.err,
      'a: invalid replicas value -1: strconv.ParseUint: parsing "-1": invalid syntax\n' +
        '=3: invalid service name or ID: value is empty\n',
    );
    assert.deepEqual((await runCli(['service', 'scale', 'web=3', 'a'], routes)).requests, []);
  });

  it('takes addresses for DNS servers only', async () => {
    const { code, err, requests } = await runCli(['service', 'update', '--dns-add', 'x', 'web'], routes);
    assert.deepEqual([code, requests], [125, []]);
    assert.match(err, /^invalid argument "x" for "--dns-add" flag: IP address is not correctly formatted: x\n/);
    const fine = await runCli(['service', 'update', '-d', '--dns-add', '::1', '--dns-rm', 'x', 'web'], routes);
    assert.equal(fine.code, 0, fine.err);
  });
});

describe('service inspect --pretty', () => {
  it('names the networks, and tells confinement, health check and log driver', async () => {
    const ContainerSpec = {
      Image: 'a',
      CapabilityAdd: ['CAP_KILL', 'CAP_CHOWN'],
      CapabilityDrop: ['ALL'],
      Sysctls: { 'net.core.somaxconn': '9' },
      Ulimits: [{ Name: 'nofile', Soft: 1, Hard: 2 }],
      Healthcheck: { Test: ['CMD', 'true'], Interval: 2e9, Retries: 3, Timeout: 0 },
    };
    const Networks = [{ Target: 'netid' }, { Target: 'gone' }];
    const LogDriver = { Name: 'json-file', Options: { 'max-size': '1m' } };
    const Spec = { Name: 'web', TaskTemplate: { ContainerSpec, Networks, LogDriver } };
    const { out, err } = await runCli(['service', 'inspect', '--pretty', 'web'], {
      'GET /services/web': () => ({ json: service({ Spec }) }),
      'GET /networks/netid': () => ({ json: { Id: 'netid', Name: 'front' } }),
    });
    assert.equal(err, '');
    const told = out.slice(out.indexOf('Capabilities:')).split('\n');
    assert.deepEqual(told, [
      'Capabilities:',
      ' Add:            CAP_KILL, CAP_CHOWN',
      ' Drop:           ALL',
      'SysCtls:',
      ' - net.core.somaxconn=9',
      'Ulimits:',
      ' - nofile=1:2',
      'Healthcheck:',
      ' Test:           CMD true',
      ' Interval:       2s',
      ' Retries:        3',
      'Log Driver:',
      ' Name:           json-file',
      'LogOpts:',
      ' - max-size=1m',
      'Networks:\tfront gone',
      '',
    ]);
  });
});

describe('service logs', () => {
  const frame = (stream: number, text: string, encoding: BufferEncoding = 'utf8') => {
    const head = Buffer.alloc(8);
    head[0] = stream;
    head.writeUInt32BE(Buffer.byteLength(text, encoding), 4);
    return Buffer.concat([head, Buffer.from(text, encoding)]);
  };
  const details = `com.docker.swarm.node.id=node1,com.docker.swarm.service.id=${ID},com.docker.swarm.task.id=${task(1, '').ID}`;

  it('prefixes each line with its task and node, and keeps the streams apart', async () => {
    const routes: FakeRoutes = {
      ...answers,
      'GET /nodes/node1': () => ({ json: node('node1', 'w1') }),
      [`GET /tasks/${task(1, '').ID}`]: () => ({ json: task(1, 'running') }),
      [`GET /services/${ID}/logs`]: () => ({
        raw: Buffer.concat([frame(1, `${details} hello\n`), frame(2, `${details} oops\n`), frame(1, 'note\n')]),
      }),
    };
    const { code, out, err } = await runCli(['service', 'logs', 'web'], routes);
    assert.equal(code, 0, err);
    assert.equal(out, 'web.1.task1task1ta@w1    | hello\nnote\n');
    assert.equal(err, 'web.1.task1task1ta@w1    | oops\n');
  });

  it('are of one task with task logs, which takes SERVICE.SLOT too', async () => {
    const routes: FakeRoutes = {
      ...answers,
      [`GET /tasks/${task(2, '').ID}/logs`]: () => ({ raw: frame(1, 'hello\n') }),
    };
    const { out, err, requests } = await runCli(['task', 'logs', '--raw', '--tail', '3', 'web.2'], routes);
    assert.deepEqual([out, err], ['hello\n', '']);
    assert.equal(requests.at(-1)?.query.tail, '3');
  });

  it('writes bytes that are no text as they are', async () => {
    const routes: FakeRoutes = {
      ...answers,
      [`GET /tasks/${task(1, '').ID}`]: () => ({ json: task(1, 'running') }),
      [`GET /services/${ID}/logs`]: () => ({ raw: frame(1, `${details} \u00ff\u00a0\u00e9 x\n`, 'latin1') }),
    };
    for (const flags of [[], ['--raw']]) {
      const { outBytes } = await runCli(['service', 'logs', ...flags, 'web'], routes);
      assert.ok(outBytes.toString('latin1').endsWith(' \u00ff\u00a0\u00e9 x\n'), outBytes.toString('hex'));
    }
  });

  it('says so when the stream ends inside a frame', async () => {
    const cut = frame(1, 'whole').subarray(0, 10);
    const { code, err } = await runCli(['service', 'logs', '--raw', 'web'], {
      ...answers,
      [`GET /services/${ID}/logs`]: () => ({ raw: cut }),
    });
    assert.deepEqual([code, err], [1, 'the daemon cut the log stream inside a frame\n']);
  });
});
