/** Three processes of either side on loopback, TLS for clients and between members, data on the same disk. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { SecureContextOptions } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { freePorts } from '@swarmts/lib/testing';
import { tryRun, waitFor } from '@swarmts/test-cluster';
import { connectionsFor, KvClient } from './client.js';

const CERTIFICATES = fileURLToPath(new URL('../../../raft-ts/examples/kv/certificates.sh', import.meta.url));
const MEMBER = fileURLToPath(new URL('./member.js', import.meta.url));
const IDS = [1, 2, 3];
const READY_MS = 30_000;

export interface Group {
  readonly name: string;
  readonly pids: readonly number[];
  /** Clients connected to the leader. */
  toLeader(clients: number): Promise<KvClient>;
}

export class RaftBed {
  /** Not in /tmp, which may be memory: both write to the disk that this machine has. */
  readonly directory = mkdtempSync('/var/tmp/swarmts-raft-bench-');
  readonly #certificates = join(this.directory, 'certificates');
  readonly #processes: ChildProcess[] = [];

  constructor() {
    execFileSync(CERTIFICATES, [this.#certificates], { stdio: 'pipe' });
  }

  get #tls(): SecureContextOptions {
    const read = (name: string): Buffer => readFileSync(join(this.#certificates, name));
    return { ca: read('ca.crt'), cert: read('member-1.crt'), key: read('member-1.key') };
  }

  get etcdVersion(): string {
    return execFileSync('etcd', ['--version']).toString().split('\n')[0] ?? '';
  }

  async startOurs(): Promise<Group> {
    const [raft, clients] = [await freePorts(IDS.length), await freePorts(IDS.length)];
    const members = IDS.map((id, at) => `${id}=${raft[at]}`);
    const commands = IDS.map((id, at) => {
      const args = [MEMBER, `${id}`, join(this.directory, `m${id}`), this.#certificates, `${clients[at]}`, ...members];
      return { command: process.execPath, args: ['--no-deprecation', ...args] };
    });
    return await this.#start('raft-ts', commands, clients);
  }

  async startEtcd(): Promise<Group> {
    if (tryRun('sh', ['-c', 'command -v etcd']).code !== 0) {
      throw new Error('the peer is missing: apt-get install etcd-server (its service need not run)');
    }
    const [peers, clients] = [await freePorts(IDS.length), await freePorts(IDS.length)];
    const cluster = IDS.map((id, at) => `e${id}=https://127.0.0.1:${peers[at]}`).join(',');
    const commands = IDS.map((id, at) => {
      const [peerUrl, clientUrl] = [`https://127.0.0.1:${peers[at]}`, `https://127.0.0.1:${clients[at]}`];
      const file = (name: string): string => join(this.#certificates, name);
      const tls = (prefix: string): string[] => [
        `--${prefix}cert-file=${file(`member-${id}.crt`)}`,
        `--${prefix}key-file=${file(`member-${id}.key`)}`,
        `--${prefix}trusted-ca-file=${file('ca.crt')}`,
        `--${prefix}client-cert-auth`,
      ];
      const args = [`--name=e${id}`, `--data-dir=${join(this.directory, `e${id}`)}`, `--initial-cluster=${cluster}`];
      args.push(`--listen-client-urls=${clientUrl}`, `--advertise-client-urls=${clientUrl}`);
      args.push(`--listen-peer-urls=${peerUrl}`, `--initial-advertise-peer-urls=${peerUrl}`);
      args.push('--log-level=error', '--logger=zap', ...tls(''), ...tls('peer-'));
      return { command: 'etcd', args };
    });
    return await this.#start('etcd', commands, clients);
  }

  async #start(
    name: string,
    commands: readonly { readonly command: string; readonly args: readonly string[] }[],
    ports: readonly number[],
  ): Promise<Group> {
    const pids: number[] = [];
    for (const [at, { command, args }] of commands.entries()) {
      const log = openSync(join(this.directory, `${name}-${at + 1}.log`), 'a');
      const child = spawn(command, args, { stdio: ['ignore', log, log] });
      this.#processes.push(child);
      pids.push(child.pid ?? 0);
    }
    const toLeader = async (clients: number): Promise<KvClient> => {
      return await waitFor(`${name} has a leader`, READY_MS, async () => {
        for (const port of ports) {
          const client = await KvClient.connect(port, this.#tls, connectionsFor(clients)).catch(() => undefined);
          if (client === undefined) continue;
          if (await client.leads().catch(() => false)) return client;
          client.close();
        }
        return undefined;
      });
    };
    (await toLeader(1)).close();
    return { name, pids, toLeader };
  }

  async stop(): Promise<void> {
    for (const child of this.#processes) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}
