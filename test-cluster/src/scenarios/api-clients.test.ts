/** Clients of the API other than the docker command at its socket: over TCP with certificates of the cluster. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identityOf } from '@swarmts/manager';
import type { Lab } from '../lab/lab.js';
import type { RunResult } from '../lab/run.js';
import { waitFor } from '../wait.js';
import { failed, newLab, ok } from './testing.js';

/** The one of Debian's docker.io beside whatever else is installed. */
const DOCKERS = ['docker', '/usr/bin/docker'];
const PORT = 2376;

describe('clients of the API', () => {
  let lab: Lab;
  let dir: string;
  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-clients-'));
    lab = await newLab({ managers: 1, workers: 1, daemonArgs: [`--host=tcp://0.0.0.0:${PORT}`] });
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
      await lab.restart('m1');
      ok(await lab.swarmts('m1', 'secret', 'create', 'seen', '/etc/hostname'));
      const until = ['--since', '1m', '--until', String(Math.floor(Date.now() / 1000) + 1)];
      assert.match(ok(await lab.docker('m1', 'events', ...until)), /secret create .*name=seen/);
    });

    it('take our own command line as well', async () => {
      const own = (client: string, ...args: readonly string[]) =>
        inLab(process.execPath, lab.cliProgram, ...tls(client), '-H', hostOf('m1'), ...args);
      assert.match(ok(await own('ann', 'node', 'ls')), /w1\s+Ready/);
      assert.match(ok(await own('ann', '--node', 'w1', 'info')), /Name: w1/);
      assert.match(failed(await own('rob', 'service', 'rm', 'x')), /certificate of rob is read-only/);
      writeFileSync(join(dir, 'broken.pem'), 'nonsense');
      assert.match(failed(await own('ann', '--tlscacert', join(dir, 'none.pem'), 'ps')), /could not read .*none\.pem/);
    });
  });
});
