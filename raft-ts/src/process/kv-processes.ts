// Three processes of the example store on this machine, over mutual TLS, to be killed, stopped and started again.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TlsIdentity } from '../transport/grpc-transport.js';
import { TestAuthority } from '../transport/test-authority.js';

const SERVER = fileURLToPath(new URL('../../examples/kv/server.mjs', import.meta.url));
export const IDS = [1, 2, 3] as const;
/** After so long without an answer a client takes the outcome for unknown. */
const REQUEST_TIMEOUT_MS = 5_000;

export interface Answer {
  readonly status: number;
  readonly body: string;
  /** Where to ask instead. */
  readonly location: string | undefined;
}

export class KvProcesses {
  readonly directory = mkdtempSync(join(tmpdir(), 'raft-kv-'));
  readonly #authority = new TestAuthority();
  readonly #client: TlsIdentity;
  readonly #agent: Agent;
  readonly #members: string[];
  readonly #processes = new Map<number, ChildProcess>();
  /** What a process has said on its error output before it ended by itself. */
  readonly complaints: string[] = [];

  private constructor(members: string[]) {
    this.#members = members;
    mkdirSync(join(this.directory, 'certificates'));
    for (const id of IDS) this.#authority.issue(id);
    this.#client = this.#authority.issue(9);
    this.#agent = new Agent({ keepAlive: true, maxSockets: 64, ...this.#client });
  }

  static async start(): Promise<KvProcesses> {
    const ports = await freePorts(2 * IDS.length);
    const members = IDS.map((id, at) => `${id}=127.0.0.1:${ports[2 * at]}:${ports[2 * at + 1]}`);
    const group = new KvProcesses(members);
    await Promise.all(IDS.map(async (id) => await group.startMember(id)));
    return group;
  }

  url(id: number): string {
    const [, host, , port] = (this.#members[id - 1] ?? '').split(/[=:]/);
    return `https://${host}:${port}`;
  }

  /** Resolves when the member takes requests. */
  async startMember(id: number): Promise<void> {
    const args = [SERVER, `${id}`, join(this.directory, `${id}`), this.#authority.directory, ...this.#members];
    const child = spawn(process.execPath, ['--no-deprecation', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#processes.set(id, child);
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    child.once('exit', (code, signal) => {
      if (signal === null && code !== 0) this.complaints.push(`member ${id} ended with ${code}: ${errors}`);
    });
    await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
  }

  signal(id: number, signal: NodeJS.Signals): void {
    this.#processes.get(id)?.kill(signal);
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(id: number): Promise<void> {
    const child = this.#processes.get(id);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  put(url: string, key: string, value: string): Promise<Answer> {
    return this.#request('PUT', `${url}/${key}`, value);
  }

  get(url: string, key: string): Promise<Answer> {
    return this.#request('GET', `${url}/${key}`, undefined);
  }

  #request(method: string, url: string, body: string | undefined): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const sent = request(url, { method, agent: this.#agent }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const { location } = response.headers;
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString(), location });
        });
      });
      const timer = setTimeout(() => sent.destroy(new Error('no answer in time')), REQUEST_TIMEOUT_MS);
      sent.on('close', () => clearTimeout(timer));
      sent.on('error', reject);
      sent.end(body);
    });
  }

  /** The member that a write has just been acknowledged by; tries until there is one. */
  async leader(): Promise<number> {
    for (;;) {
      for (const id of IDS) {
        const answer = await this.put(this.url(id), 'leader', `${id}`).catch(() => undefined);
        if (answer?.status === 204) return id;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async stop(): Promise<void> {
    this.#agent.destroy();
    await Promise.all(IDS.map(async (id) => await this.kill(id)));
    this.#authority.remove();
    rmSync(this.directory, { recursive: true });
  }

  /** Names of the files of a member's log. */
  logFiles(id: number): readonly string[] {
    return readdirSync(join(this.directory, `${id}`, 'wal'));
  }
}

/** Ports that were free a moment ago. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map(async (server) => await once(server, 'listening')));
  const ports = servers.map((server) => {
    const address = server.address();
    return address !== null && typeof address === 'object' ? address.port : 0;
  });
  await Promise.all(servers.map(async (server) => await once(server.close(), 'close')));
  return ports;
}
