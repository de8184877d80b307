/** A manager in a process of its own, whose folder goes with it. */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRequest, createRootCa, signNodeCertificate } from '@swarmts/manager';
import { NodeRole } from '@swarmts/proto';

const YEAR_MS = 365 * 24 * 3_600_000;
const TICKS_PER_SECOND = 100;
const CLUSTER_ID = 'bench';

export interface NodeFiles {
  readonly keyPem: string;
  readonly certPem: string;
  readonly rootPem: string;
}

/** What the process gets to know. */
export interface ManagerOrder {
  readonly dir: string;
  readonly clusterId: string;
  readonly managerId: string;
  readonly nodeIds: readonly string[];
  readonly files: NodeFiles;
  readonly rootKeyPem: string;
}

export class ManagerProcess {
  readonly #child: ChildProcess;
  readonly #order: ManagerOrder;
  readonly #filesOf: (nodeId: string, role: NodeRole) => Promise<NodeFiles>;

  private constructor(child: ChildProcess, order: ManagerOrder, filesOf: ManagerProcess['filesOf']) {
    this.#child = child;
    this.#order = order;
    this.#filesOf = filesOf;
  }

  /** `program` is a file beside this one. */
  static async start(program: string, nodeIds: readonly string[]): Promise<ManagerProcess> {
    const root = await createRootCa(Date.now());
    const filesOf = async (nodeId: string, role: NodeRole) => {
      const { keyPem, csrPem } = await createRequest();
      const order = { csrPem, nodeId, clusterId: CLUSTER_ID, role, validForMs: YEAR_MS, nowMs: Date.now() };
      return { keyPem, certPem: await signNodeCertificate(root, order), rootPem: root.certPem };
    };
    const order = {
      dir: mkdtempSync(join(tmpdir(), 'swarmts-manager-')),
      clusterId: CLUSTER_ID,
      managerId: 'manager',
      nodeIds,
      files: await filesOf('manager', NodeRole.MANAGER),
      rootKeyPem: root.keyPem,
    };
    const path = fileURLToPath(new URL(program, import.meta.url));
    const child = fork(path, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    return new ManagerProcess(child, order, filesOf);
  }

  /** Sends the order; resolves to what the process answers. */
  run(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#child.once('message', resolve);
      this.#child.once('exit', (code) => reject(new Error(`the manager ended with ${code}`)));
      this.#child.send(this.#order);
    });
  }

  /** Key and certificate of another node of the cluster. */
  filesOf(nodeId: string, role: NodeRole): Promise<NodeFiles> {
    return this.#filesOf(nodeId, role);
  }

  /** User and system time so far. */
  cpuSeconds(): number {
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  }

  /** MiB: now, and the most there were. */
  memory(): { readonly resident: number; readonly most: number } {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
    const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) / 1024;
    return { resident: field('VmRSS'), most: field('VmHWM') };
  }

  close(): void {
    this.#child.kill('SIGKILL');
    rmSync(this.#order.dir, { recursive: true, force: true });
  }
}
