/** The real docker command line against the API: what it prints proves that it understood the JSON. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Harness } from './testing/harness.js';
import { NODE_ID, NOW_MS } from './testing/memory-swarm.js';

interface Result {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

describe('the docker client', function () {
  this.timeout(60_000);
  let api: Harness;
  beforeEach(async () => {
    api = await Harness.start();
  });
  afterEach(() => api.stop());

  const run = async (...args: readonly string[]): Promise<Result> => {
    const child = spawn('docker', ['-H', `unix://${api.socket}`, ...args], {
      env: { PATH: process.env.PATH, HOME: api.dir, DOCKER_CONFIG: api.dir },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk) => {
      out += String(chunk);
    });
    child.stderr.on('data', (chunk) => {
      err += String(chunk);
    });
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, out, err };
  };
  const ok = async (...args: readonly string[]): Promise<string> => {
    const r = await run(...args);
    assert.equal(r.code, 0, `docker ${args.join(' ')}: ${r.err}`);
    return r.out;
  };
  const createWeb = (...flags: readonly string[]) =>
    ok('service', 'create', '-d', '--name', 'web', ...flags, 'alpine:3', 'sleep', '60');

  it('agrees on a version', async () => {
    assert.equal(await ok('version', '--format', '{{.Server.Version}} {{.Server.APIVersion}}'), '0.1.0 1.55\n');
    assert.match(await ok('version'), /Server: swarmts/);
  });

  it('shows the swarm in info', async () => {
    const out = await ok('info');
    assert.match(out, /Security Options:\n +apparmor\n(.*\n)* +userns\n/);
    assert.match(out, /Swarm: active/);
    assert.match(out, new RegExp(`NodeID: ${NODE_ID}`));
    assert.match(out, /Is Manager: true/);
    assert.match(out, /Managers: 1/);
  });

  it('lists and inspects nodes', async () => {
    assert.match(await ok('node', 'ls'), new RegExp(`${NODE_ID} \\*\\s+one\\s+Ready\\s+Active\\s+Leader\\s+0\\.1\\.0`));
    assert.match(await ok('node', 'inspect', '--pretty', 'self'), /Hostname:\s+one/);
    await ok('node', 'update', '--availability', 'drain', '--label-add', 'a=b', 'one');
    assert.equal(
      await ok('node', 'inspect', 'self', '--format', '{{.Spec.Availability}} {{.Spec.Labels.a}}'),
      'drain b\n',
    );
  });

  it('prints join tokens', async () => {
    assert.equal(await ok('swarm', 'join-token', '-q', 'worker'), 'SWMTKN-1-w\n');
    assert.match(await ok('swarm', 'join-token', 'manager'), /--token SWMTKN-1-m 10\.1\.1\.1:2377/);
  });

  it('creates, scales, updates, rolls back and removes a service', async () => {
    await createWeb('--replicas', '2', '-p', '8080:80', '--limit-memory', '64m', '--constraint', 'node.role==manager');
    assert.match(await ok('service', 'ls'), /web\s+replicated\s+2\/2\s+alpine:3/);
    const spec = await ok('service', 'inspect', 'web', '--format', '{{json .Spec}}');
    const { TaskTemplate, EndpointSpec } = JSON.parse(spec);
    assert.match(TaskTemplate.ContainerSpec.Image, /^alpine:3@sha256:d{64}$/);
    assert.deepEqual(TaskTemplate.ContainerSpec.Args, ['sleep', '60']);
    assert.equal(TaskTemplate.Resources.Limits.MemoryBytes, 64 * 1024 * 1024);
    assert.deepEqual(TaskTemplate.Placement.Constraints, ['node.role==manager']);
    assert.equal(EndpointSpec.Ports[0].PublishedPort, 8080);
    assert.match(await ok('service', 'inspect', '--pretty', 'web'), /Replicas:\s+2/);

    await ok('service', 'scale', '-d', 'web=3');
    assert.match(await ok('service', 'ps', 'web'), /web\.3\s+alpine:3\s+one\s+Running\s+Running/);
    await ok('service', 'update', '-d', '--env-add', 'A=b', '--replicas', '1', 'web');
    const env = ['service', 'inspect', 'web', '--format', '{{.Spec.TaskTemplate.ContainerSpec.Env}}'];
    assert.equal(await ok(...env), '[A=b]\n');
    await ok('service', 'rollback', '-d', 'web');
    assert.equal(await ok(...env), '[]\n');
    assert.equal(await ok('service', 'rm', 'web'), 'web\n');
    assert.equal(await ok('service', 'ls', '-q'), '');
  });

  it('waits until a service has converged', async () => {
    const out = await ok('service', 'create', '--name', 'web', '--update-monitor', '1s', 'alpine:3');
    assert.match(out, /overall progress: 1 out of 1 tasks/);
    assert.match(out, /converged/);
  });

  it('warns when the image of a service is in no registry', async () => {
    const r = await run('service', 'create', '-d', '--name', 'x', 'nowhere:1');
    assert.equal(r.code, 0, r.err);
    assert.match(r.err, /nowhere:1 could not be accessed on a registry/);
  });

  it('puts the task and node before each line of a log', async () => {
    await createWeb();
    const [task] = await api.backend.swarm.tasks();
    assert.ok(task);
    const origin = { taskId: task.id, nodeId: NODE_ID, serviceId: task.serviceId, attributes: { region: 'north' } };
    const timeNs = BigInt(NOW_MS) * 1_000_000n;
    api.backend.swarm.logLines.push({ ...origin, timeNs, stream: 'stdout', data: Buffer.from('hello\n') });
    assert.match(
      await ok('service', 'logs', 'web'),
      new RegExp(`^web\\.1\\.${task.id.slice(0, 12)}@one\\s+\\| hello\n$`),
    );
    assert.match(await ok('service', 'logs', '--details', 'web'), /\| region=north hello\n$/);
    assert.equal(await ok('service', 'logs', '--raw', 'web'), 'hello\n');
  });

  it('lists containers, images, volumes and networks', async () => {
    assert.match(
      await ok('ps'),
      /alpine:3\s+"sleep 60"\s+.*Up 3 minutes \(healthy\)\s+0\.0\.0\.0:8080->80\/tcp\s+web\.1\.task/,
    );
    assert.match(await ok('images'), /alpine\s+3\s+a{12}\s+.*4\.2MB/);
    assert.equal(await ok('volume', 'create', 'data'), 'data\n');
    assert.equal(await ok('volume', 'ls', '-q'), 'data\n');
    assert.match(await ok('network', 'ls'), /bridge\s+bridge\s+local/);
    assert.equal(
      await ok('inspect', 'web.1.task', '--format', '{{.State.Status}} {{.Config.Image}}'),
      'running alpine:3\n',
    );
    assert.match(await ok('system', 'df'), /Images\s+1/);
  });

  it('reads the log of a container', async () => {
    api.backend.node.logLines.push({ stream: 'stderr', timeNs: 1n, data: Buffer.from('oops\n') });
    const r = await run('logs', 'web.1.task');
    assert.deepEqual([r.code, r.out, r.err], [0, '', 'oops\n']);
  });

  it('pulls images and shows why it could not', async () => {
    assert.match(await ok('pull', 'alpine:3'), /Downloaded newer image/);
    const r = await run('pull', 'nowhere:1');
    assert.equal(r.code, 1);
    assert.match(r.err, /manifest for nowhere:1 not found/);
  });

  it('keeps secrets and configs', async () => {
    await ok('config', 'create', 'c', '/etc/hostname');
    assert.match(await ok('config', 'ls'), /\sc\s/);
    await ok('secret', 'create', 's', '/etc/hostname');
    await ok('service', 'create', '-d', '--name', 'x', '--secret', 's', '--config', 'c', 'alpine:3');
    const out = await ok('service', 'inspect', 'x', '--format', '{{json .Spec.TaskTemplate.ContainerSpec.Secrets}}');
    assert.equal(JSON.parse(out)[0].SecretName, 's');
  });

  it('passes on the words of an error', async () => {
    api.backend.swarm.active = false;
    const r = await run('node', 'ls');
    assert.equal(r.code, 1);
    assert.match(r.err, /^Error response from daemon: This node is not a swarm manager\./);
  });
});
