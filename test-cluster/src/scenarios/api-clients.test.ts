/** Clients of the API other than the docker command at its socket: over TCP with certificates of the cluster. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { identityOf } from '@swarmts/manager';
import type { Lab } from '../lab/lab.js';
import type { RunResult } from '../lab/run.js';
import { waitFor } from '../wait.js';
import { failed, newLab, ok, untilRunning, untilState } from './testing.js';

/** The one of Debian's docker.io beside whatever else is installed. */
const DOCKERS = ['docker', '/usr/bin/docker'];
const PORT = 2376;

describe('clients of the API', () => {
  let lab: Lab;
  let dir: string;
  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-clients-'));
    lab = await newLab({
      managers: 1,
      workers: 1,
      daemonArgs: [`--host=tcp://0.0.0.0:${PORT}`, '--event-bus=nats://127.0.0.1:4222', '--event-bus-logs'],
    });
  });
  after(async () => {
    await lab?.down();
    rmSync(dir, { recursive: true, force: true });
  });

  const inLab = (command: string, ...args: readonly string[]): Promise<RunResult> => lab.exec('m1', [command, ...args]);
  const folderOf = (name: string) => join(dir, name);
  const tls = (name: string) => {
    const file = (f: string) => join(folderOf(name), f);
    return ['--tlsverify', '--tlscacert', file('ca.pem'), '--tlscert', file('cert.pem'), '--tlskey', file('key.pem')];
  };
  const hostOf = (node: string) => `tcp://${lab.address(node)}:${PORT}`;
  const docker = (command: string, client: string, node: string, ...args: readonly string[]) =>
    inLab(command, ...tls(client), '-H', hostOf(node), ...args);
  const create = (name: string, ...flags: readonly string[]) =>
    lab.swarmts('m1', 'client-cert', 'create', name, '--out', folderOf(name), ...flags);

  describe('over TCP', () => {
    it('get certificates for an administrator and a reader', async () => {
      assert.match(ok(await create('ann', '--role', 'admin')), /Wrote ca\.pem, cert\.pem and key\.pem/);
      ok(await create('rob', '--role', 'readonly', '--expiry', '2h'));
      assert.equal(statSync(join(folderOf('ann'), 'key.pem')).mode & 0o777, 0o600);
      assert.match(failed(await create('ann', '--role', 'admin')), /ca\.pem exists: choose another folder/);
      assert.match(failed(await create('x', '--role', 'boss')), /give --role admin or readonly, not "boss"/);
      assert.match(failed(await create('a b', '--role', 'admin')), /invalid name "a b" of a client/);
      assert.match(failed(await create('y', '--role', 'admin', '--expiry', '1m')), /at least one hour/);
    });

    it('work on managers and workers with the docker commands, by address and by name', async () => {
      for (const command of DOCKERS) {
        await waitFor('the worker has its certificate', 20_000, async () => {
          return (await docker(command, 'ann', 'w1', 'version')).code === 0;
        });
        assert.match(ok(await docker(command, 'ann', 'm1', 'info')), /Is Manager: true/);
        assert.match(ok(await docker(command, 'ann', 'm1', 'node', 'ls')), /w1\s+Ready/);
        assert.match(failed(await docker(command, 'ann', 'w1', 'node', 'ls')), /This node is not a swarm manager/);
      }
      const byName = ['-H', `tcp://localhost:${PORT}`, 'node', 'ls'];
      assert.match(ok(await inLab('docker', ...tls('ann'), ...byName)), /m1/);
    });

    it('exec over the same connection', async () => {
      ok(await docker('docker', 'ann', 'm1', 'run', '-d', '--name', 'box', 'registry:5000/busybox', 'sleep', '1000'));
      assert.equal(ok(await docker('docker', 'ann', 'm1', 'exec', 'box', 'echo', 'hello')).trim(), 'hello');
    });

    it('let a reader read and nothing else', async () => {
      const reader = (...args: readonly string[]) => docker('docker', 'rob', 'm1', ...args);
      assert.match(ok(await reader('ps')), /box/);
      assert.match(ok(await reader('service', 'ls')), /REPLICAS/);
      for (const args of [
        ['rm', '-f', 'box'],
        ['exec', 'box', 'id'],
        ['service', 'create', 'registry:5000/whoami'],
        ['cp', 'box:/etc/passwd', dir],
        ['swarm', 'unlock-key'],
        ['swarm', 'leave', '--force'],
      ]) {
        assert.match(failed(await reader(...args)), /the client certificate of rob is read-only/, args.join(' '));
      }
      assert.doesNotMatch(ok(await reader('swarm', 'join-token', 'worker')), /SWMTKN/);
      ok(await docker('docker', 'ann', 'm1', 'rm', '-f', 'box'));
    });

    it('are refused without a certificate, with one of another CA, and with one of a node', async () => {
      assert.match(
        failed(await inLab('docker', '-H', hostOf('m1'), 'ps')),
        /EOF|HTTP request to an HTTPS server|malformed/,
      );
      assert.equal((await inLab('docker', '--tls', '-H', hostOf('m1'), 'ps')).code, 1);
      const node = join(lab.dataRoot('w1'), 'swarm', 'certificates');
      const [cert, key] = ['swarm-node.crt', 'swarm-node.key'].map((f) => join(node, f));
      const asNode = ['--tlsverify', '--tlscacert', join(folderOf('ann'), 'ca.pem'), '--tlscert', cert ?? ''];
      const answer = await inLab('docker', ...asNode, '--tlskey', key ?? '', '-H', hostOf('m1'), 'ps');
      const id = identityOf(readFileSync(cert ?? '', 'utf8')).nodeId;
      assert.match(failed(answer), new RegExp(`certificate of ${id} is not one of a client of this cluster`));
    });

    it('read metrics and health, and see events of a manager that was started again', async () => {
      const get = async (path: string) => {
        const file = (f: string) => join(folderOf('rob'), f);
        const certs = ['--cacert', file('ca.pem'), '--cert', file('cert.pem'), '--key', file('key.pem')];
        return ok(await inLab('curl', '-sf', ...certs, `https://m1:${PORT}/swarmts/v1/${path}`));
      };
      assert.match(await get('metrics'), /^swarm_manager_nodes\{state="ready"\} 2$/m);
      assert.match(await get('health/ready'), /"Status":"ready"/);
      assert.match(await get('health'), /"Status":"healthy"/);
      ok(await lab.swarmts('m1', 'secret', 'create', 'before', '/etc/hostname'));
      await lab.restart('m1');
      ok(await lab.swarmts('m1', 'secret', 'create', 'seen', '/etc/hostname'));
      const until = ['--since', '10m', '--until', String(Math.floor(Date.now() / 1000) + 1)];
      assert.match(
        ok(await lab.docker('m1', 'events', ...until)),
        /secret create [^\n]*name=before[\s\S]*secret create [^\n]*name=seen/,
      );
    });

    it('are shut out everywhere when their certificate is taken back', async () => {
      ok(await create('bob', '--role', 'admin'));
      for (const node of ['m1', 'w1']) ok(await docker('docker', 'bob', node, 'version'));
      const following = docker('docker', 'bob', 'w1', 'events');
      const serial = ok(await lab.swarmts('m1', 'client-cert', 'revoke', 'bob')).trim();
      assert.match(serial, /^[0-9A-F]{16,}$/);
      await following;
      for (const node of ['m1', 'w1'])
        await waitFor(`${node} refuses it`, 10_000, async () =>
          /client certificate of bob was revoked/.test((await docker('docker', 'bob', node, 'ps')).stderr),
        );
      const list = ok(await lab.swarmts('m1', 'client-cert', 'ls'));
      assert.match(list, new RegExp(`${serial} +bob +admin .*Revoked`));
      assert.match(list, /ann +admin .*Ends in/);
      ok(await docker('docker', 'ann', 'w1', 'ps'));
      assert.match(failed(await lab.swarmts('m1', 'client-cert', 'revoke', 'eve')), /name or serial number eve/);
    });

    it('take our own command line as well', async () => {
      const own = (client: string, ...args: readonly string[]) =>
        inLab(process.execPath, lab.cliProgram, ...tls(client), '-H', hostOf('m1'), ...args);
      // The manager was started again in the step before.
      await untilState(lab, 'm1', 'w1', 'ready');
      assert.match(ok(await own('ann', 'node', 'ls')), /m1\s+Ready[\s\S]*w1\s+Ready/);
      assert.match(ok(await own('ann', '--node', 'w1', 'info')), /Name: w1/);
      assert.match(failed(await own('rob', 'service', 'rm', 'x')), /certificate of rob is read-only/);
      writeFileSync(join(dir, 'broken.pem'), 'nonsense');
      assert.match(failed(await own('ann', '--tlscacert', join(dir, 'none.pem'), 'ps')), /could not read .*none\.pem/);
    });
  });

  describe('of Docker', () => {
    const unix = () => `DOCKER_HOST=unix://${lab.socket('m1')}`;
    const program = (name: string) => fileURLToPath(new URL(`../clients/${name}.js`, import.meta.url));

    it('docker-compose brings a project up, runs in it, and takes it down', async () => {
      const file = join(dir, 'docker-compose.yml');
      writeFileSync(file, COMPOSE);
      const compose = (...args: readonly string[]) =>
        inLab('env', unix(), 'docker-compose', '--no-ansi', '-p', 'shop', '-f', file, ...args);
      ok(await compose('up', '-d'));
      assert.match(ok(await compose('ps')), /shop_web_1 .* Up/);
      assert.match(ok(await compose('exec', '-T', 'box', 'wget', '-qO-', 'http://web:8080/')), /whoami|Hostname|web/i);
      ok(await compose('up', '-d', '--scale', 'box=2'));
      assert.equal(
        ok(await compose('ps', '-q', 'box'))
          .trim()
          .split('\n').length,
        2,
      );
      assert.match(ok(await compose('logs', 'web')), /whoami on \w+ listens/);
      assert.match(ok(await compose('config')), /registry:5000\/whoami/);
      ok(await compose('down', '-v'));
      assert.doesNotMatch(ok(await lab.docker('m1', 'ps', '-a')), /shop_/);
      assert.doesNotMatch(ok(await lab.docker('m1', 'network', 'ls')), /shop_/);
      assert.doesNotMatch(ok(await lab.docker('m1', 'volume', 'ls')), /shop_/);
    });

    it('testcontainers starts containers, waits for them, and removes them', async () => {
      // Its helper that cleans up after crashes is an image of the public registry.
      const env = [unix(), 'TESTCONTAINERS_RYUK_DISABLED=true'];
      const out = ok(await inLab('env', ...env, process.execPath, program('use-testcontainers')));
      const { name, ...seen } = JSON.parse(out) as { readonly name: string };
      assert.deepEqual(seen, { status: 200, byAlias: 0, file: 'copied' });
      assert.ok(!ok(await lab.docker('m1', 'ps', '-a')).includes(name));
    });

    it('Prometheus finds nodes, services and tasks, and reads metrics with a certificate', async () => {
      // A second try finds what the first one has made.
      if ((await lab.docker('m1', 'service', 'inspect', 'web')).code !== 0) {
        ok(await lab.swarmts('m1', 'network', 'create', '-d', 'overlay', 'front'));
        const flags = ['-d', '--name', 'web', '--replicas', '2', '--network', 'front', '-p', '8080:80'];
        ok(await lab.swarmts('m1', 'service', 'create', ...flags, 'registry:5000/whoami'));
      }
      await untilRunning(lab, 'm1', 'web', 2);
      const config = join(dir, 'prometheus.yml');
      writeFileSync(
        config,
        prometheusConfig(
          lab.socket('m1'),
          folderOf('rob'),
          ['m1', 'w1'].map((n) => `${lab.address(n)}:${PORT}`),
        ),
      );
      const stop = new AbortController();
      const listen = ['--web.listen-address=127.0.0.1:9090', `--storage.tsdb.path=${join(dir, 'tsdb')}`];
      const prometheus = lab.exec('m1', ['prometheus', `--config.file=${config}`, ...listen], stop.signal);
      try {
        const get = async <T>(path: string): Promise<T | undefined> => {
          const r = await inLab('curl', '-sf', `http://127.0.0.1:9090/api/v1/${path}`);
          return r.code === 0 ? (JSON.parse(r.stdout).data as T) : undefined;
        };
        const found = await waitFor('Prometheus has found everything', 60_000, async () => {
          const data = await get<{ readonly activeTargets: readonly Target[] }>('targets?state=active');
          const of = (job: string) => data?.activeTargets.filter((t) => t.discoveredLabels.job === job) ?? [];
          const jobs = { nodes: of('nodes'), services: of('services'), tasks: of('tasks'), swarmts: of('swarmts') };
          const isThere = jobs.nodes.length === 2 && jobs.services.length > 0 && jobs.tasks.length >= 2;
          return isThere && jobs.swarmts.every((t) => t.health === 'up') ? jobs : undefined;
        });
        const labelsOf = (targets: readonly Target[], label: string) =>
          [...new Set(targets.map((t) => t.discoveredLabels[`__meta_dockerswarm_${label}`]))].sort();
        assert.deepEqual(labelsOf(found.nodes, 'node_hostname'), ['m1', 'w1']);
        assert.deepEqual(labelsOf(found.services, 'service_name'), ['web']);
        assert.deepEqual(labelsOf(found.tasks, 'task_slot'), ['1', '2']);
        const query = encodeURIComponent('swarm_manager_tasks_total{state="running"}');
        const value = await get<{ readonly result: readonly { readonly value: readonly [number, string] }[] }>(
          `query?query=${query}`,
        );
        assert.equal(value?.result[0]?.value[1], '2');
      } finally {
        stop.abort();
        await prometheus;
      }
    });
  });

  describe('of events', () => {
    it('NATS gets events and logs, also those of while it was away', async () => {
      const stop = new AbortController();
      const start = () =>
        lab.exec('m1', ['nats-server', '-js', '-sd', join(dir, 'nats'), '-a', '127.0.0.1', '-p', '4222'], stop.signal);
      const server = start();
      try {
        const reader = fileURLToPath(new URL('../clients/read-nats.js', import.meta.url));
        const messages = async (stream: string) =>
          (await inLab(process.execPath, reader, '127.0.0.1:4222', stream)).stdout.split('\n').filter(Boolean);
        // The service of the step before, while there was no NATS.
        await waitFor('the bus has the events of the service and its tasks', 30_000, async () => {
          const all = await messages('SWARMTS_EVENTS');
          return [/\.events\.service\.create .*"name":"web"/, /\.events\.task\.running .*"name":"web\./].every(
            (wanted) => all.some((m) => wanted.test(m)),
          );
        });
        await waitFor('the bus has lines of the tasks on this node', 30_000, async () =>
          (await messages('SWARMTS_LOGS')).some((m) => /\.logs\.web\.\w+ .*"line":"whoami on /.test(m)),
        );
        ok(await lab.swarmts('m1', 'service', 'rm', 'web'));
        await waitFor('the bus has its removal', 30_000, async () =>
          (await messages('SWARMTS_EVENTS')).some((m) => /\.events\.service\.remove /.test(m)),
        );
      } finally {
        stop.abort();
        await server;
      }
    });
  });
});

interface Target {
  readonly discoveredLabels: Readonly<Record<string, string>>;
  readonly health: string;
}

const COMPOSE = `version: "3.8"
services:
  web:
    image: registry:5000/whoami
    environment: {PORT: "8080"}
    networks: [back]
  box:
    image: registry:5000/busybox
    command: sleep 1000
    stop_grace_period: 1s
    depends_on: [web]
    networks: [back]
    volumes: ["data:/data"]
networks: {back: {}}
volumes: {data: {}}
`;

function prometheusConfig(socket: string, certs: string, targets: readonly string[]): string {
  const discovery = (role: string) => ({
    job_name: role,
    dockerswarm_sd_configs: [{ host: `unix://${socket}`, role, refresh_interval: '1s' }],
  });
  const swarmts = {
    job_name: 'swarmts',
    scheme: 'https',
    metrics_path: '/swarmts/v1/metrics',
    scrape_interval: '1s',
    tls_config: { ca_file: `${certs}/ca.pem`, cert_file: `${certs}/cert.pem`, key_file: `${certs}/key.pem` },
    static_configs: [{ targets }],
  };
  // JSON is YAML.
  return JSON.stringify({ scrape_configs: [...['nodes', 'services', 'tasks'].map(discovery), swarmts] });
}
