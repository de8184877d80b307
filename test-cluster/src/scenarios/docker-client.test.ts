/** The unmodified docker command drives a cluster. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { api } from '../client.js';
import type { Lab } from '../lab/lab.js';
import { tryRun } from '../lab/run.js';
import { waitFor } from '../wait.js';
import { failed, newLab, nodesOf, ok, untilRunning } from './testing.js';

describe('the docker command', () => {
  let lab: Lab;
  before(async () => {
    lab = await newLab({ managers: 1, workers: 1 });
  });
  after(() => lab.down());
  const docker = async (...args: readonly string[]) => ok(await lab.docker('m1', ...args));

  it('version and info', async () => {
    assert.match(await docker('version'), /Server:[\s\S]*API version:\s+1\.\d+/);
    assert.match(await docker('info'), /Swarm: active[\s\S]*Is Manager: true[\s\S]*Managers: 1[\s\S]*Nodes: 2/);
  });

  it('node ls, inspect and update', async () => {
    assert.match(await docker('node', 'ls'), /m1\s+Ready\s+Active\s+Leader/);
    assert.match(
      await docker('node', 'inspect', '--pretty', 'w1'),
      /Hostname:\s+w1[\s\S]*Status:\s+State:\s+Ready[\s\S]*Engine Version/,
    );
    await docker('node', 'update', '--label-add', 'zone=a', 'w1');
    assert.equal((await docker('node', 'inspect', '--format', '{{.Spec.Labels.zone}}', 'w1')).trim(), 'a');
  });

  it('service create waits until five replicas run', async () => {
    const out = await docker('service', 'create', '--name', 'web', '--replicas', '5', 'registry:5000/whoami');
    assert.match(out, /overall progress: 5 out of 5 tasks[\s\S]*Service converged|converged/i);
    assert.match(await docker('service', 'ls'), /web\s+replicated\s+5\/5\s+registry:5000\/whoami:latest/);
    assert.equal(
      (await docker('service', 'ps', 'web', '--format', '{{.CurrentState}}'))
        .trim()
        .split('\n')
        .filter((l) => l.startsWith('Running')).length,
      5,
    );
  });

  it('service inspect shows the digest that the image was pinned to', async () => {
    assert.match(
      await docker('service', 'inspect', '--format', '{{.Spec.TaskTemplate.ContainerSpec.Image}}', 'web'),
      /registry:5000\/whoami:latest@sha256:[0-9a-f]{64}/,
    );
    assert.match(await docker('service', 'inspect', '--pretty', 'web'), /Replicas:\s+5/);
  });

  it('service logs', async () => {
    await waitFor(
      'five lines',
      20_000,
      async () => (await docker('service', 'logs', 'web')).trim().split('\n').length === 5,
    );
    assert.match(await docker('service', 'logs', 'web'), /^web\.\d\.\w+@(m1|w1)\s+\| whoami on \w+ listens/m);
  });

  it('ps, logs, inspect and images', async () => {
    const id = (await docker('ps', '-q')).trim().split('\n')[0] ?? '';
    assert.match(id, /^[0-9a-f]{12}$/);
    assert.match(await docker('ps'), /registry:5000\/whoami[\s\S]*Up .*web\.\d\./);
    assert.match(await docker('logs', id), /whoami on/);
    assert.equal((await docker('inspect', '--format', '{{.State.Status}}', id)).trim(), 'running');
    assert.match(await docker('images'), /registry:5000\/whoami/);
  });

  it('a spec that is sent back unchanged, or only scaled, replaces no task', async () => {
    const before = (await untilRunning(lab, 'm1', 'web', 5)).map((t) => t.ID).sort();
    const socket = lab.socket('m1');
    const s = await api<{ readonly ID: string; readonly Version: { readonly Index: number }; readonly Spec: unknown }>(
      socket,
      'GET',
      '/services/web',
    );
    await api(socket, 'POST', `/services/${s.ID}/update?version=${s.Version.Index}`, s.Spec);
    await docker('service', 'scale', '-d', 'web=6');
    const after = (await untilRunning(lab, 'm1', 'web', 6)).map((t) => t.ID);
    assert.deepEqual(
      before.filter((id) => !after.includes(id)),
      [],
    );
    await docker('service', 'scale', '-d', 'web=5');
  });

  it('service update, rollback and scale', async () => {
    await docker('service', 'update', '--env-add', 'X=1', '--update-parallelism', '0', 'web');
    await untilRunning(lab, 'm1', 'web', 5);
    assert.match(
      await docker('service', 'inspect', '--format', '{{.Spec.TaskTemplate.ContainerSpec.Env}}', 'web'),
      /X=1/,
    );
    await docker('service', 'scale', '-d', 'web=2');
    await untilRunning(lab, 'm1', 'web', 2);
    await docker('service', 'rollback', 'web');
    await untilRunning(lab, 'm1', 'web', 5);
  });

  it('a service update that replaces no task is over at once', async () => {
    await docker('service', 'update', '--label-add', 'a=b', '--update-delay', '1s', 'web');
    assert.match(await docker('service', 'inspect', '--format', '{{.Spec.Labels.a}}', 'web'), /^b$/m);
  });

  it('drain moves the tasks away', async () => {
    await docker('node', 'update', '--availability', 'drain', 'w1');
    await waitFor('w1 is empty', 60_000, async () => ok(await lab.docker('w1', 'ps', '-q')).trim() === '');
    await untilRunning(lab, 'm1', 'web', 5);
    await docker('node', 'update', '--availability', 'active', 'w1');
  });

  it('secrets and configs reach the containers', async () => {
    const put = (kind: string, name: string, text: string) =>
      tryRun('docker', [kind, 'create', name, '-'], {
        input: text,
        env: { ...process.env, DOCKER_HOST: `unix://${lab.socket('m1')}` },
      });
    assert.equal(put('secret', 'password', 'hunter2').code, 0);
    assert.equal(put('config', 'motd', 'welcome').code, 0);
    await docker(
      'service',
      'create',
      '--name',
      'reader',
      '--secret',
      'password',
      '--config',
      'source=motd,target=/etc/motd',
      'registry:5000/busybox',
      'sh',
      '-c',
      'cat /run/secrets/password /etc/motd; echo; sleep 1000',
    );
    await waitFor('both are in the log', 20_000, async () =>
      /hunter2welcome/.test(await docker('service', 'logs', '--raw', 'reader')),
    );
    assert.match(await docker('secret', 'ls'), /password/);
    await docker('service', 'rm', 'reader');
    await docker('secret', 'rm', 'password');
    await docker('config', 'rm', 'motd');
  });

  it('secrets have versions, which services follow, and can be variables', async () => {
    const swarmts = async (...args: readonly string[]) => ok(await lab.swarmts('m1', ...args));
    const put = async (verb: string, text: string, ...flags: readonly string[]) => {
      const file = join(lab.dataRoot('m1'), 'payload');
      writeFileSync(file, text);
      return swarmts('secret', verb, ...flags, 'db', file);
    };
    await put('create', 'first\n');
    const flags = ['-d', '--name', 'reader', '--secret', 'source=db,env=DB_PASSWORD', '--stop-grace-period', '0s'];
    const script = 'echo "$DB_PASSWORD and $(cat /run/secrets/db)."; sleep 1000';
    await swarmts('service', 'create', ...flags, 'registry:5000/busybox', 'sh', '-c', script);
    const said = (what: string) =>
      waitFor(`it said ${what}`, 30_000, async () =>
        (await swarmts('service', 'logs', '--raw', 'reader')).includes(what),
      );
    await said('first and first.');
    const [task] = await untilRunning(lab, 'm1', 'reader', 1);
    const node = (await nodesOf(lab, 'm1')).find((n) => n.ID === task?.NodeID)?.Description.Hostname ?? '';
    const container = task?.Status.ContainerStatus?.ContainerID ?? '';
    const seen = ok(await lab.docker(node, 'inspect', container));
    assert.match(seen, /DB_PASSWORD=\*{6}/);
    assert.doesNotMatch(seen, /first/);
    const grep = await lab.exec(node, ['grep', '-rl', '--exclude=*.log', 'DB_PASSWORD=first', lab.dataRoot(node)]);
    assert.equal(grep.stdout, '');
    await put('update', 'second\n');
    await put('update', 'third\n', '--update');
    await said('third and third.');
    assert.match(await swarmts('secret', 'ls', '--format', '{{.Name}}'), /^db\ndb@1\ndb@2\n/);
    await swarmts('service', 'rollback', '-d', 'reader');
    await waitFor('it is the first again', 30_000, async () =>
      /third and third\.[\s\S]*first and first\./.test(await swarmts('service', 'logs', '--raw', 'reader')),
    );
    assert.match(failed(await lab.swarmts('m1', 'secret', 'rm', 'db')), /in use by the following service: reader/);
    await swarmts('secret', 'prune', '-f');
    assert.match(await swarmts('secret', 'ls', '--format', '{{.Name}}'), /^db\ndb@1\n$/);
    await swarmts('service', 'rm', 'reader');
    await swarmts('secret', 'rm', 'db');
    assert.equal(await swarmts('secret', 'ls', '-q'), '');
  });

  it('pull, load and the registry', async () => {
    assert.match(
      await docker('pull', 'registry:5000/busybox:latest'),
      /Status: (Downloaded newer image|Image is up to date) for registry:5000\/busybox:latest/,
    );
  });

  it('join-token and service rm', async () => {
    assert.match(await docker('swarm', 'join-token', '-q', 'worker'), /^SWMTKN-1-/);
    assert.equal((await docker('service', 'rm', 'web')).trim(), 'web');
    await waitFor('no container is left', 60_000, async () => (await docker('ps', '-aq')).trim() === '');
  });
});
