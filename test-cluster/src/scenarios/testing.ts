/** What the scenarios share: a lab per suite, and questions about its cluster. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { api } from '../client.js';
import { Lab, type LabOptions } from '../lab/lab.js';
import type { RunResult } from '../lab/run.js';
import { waitFor } from '../wait.js';

/** A lab that nobody else uses. */
export function newLab(o: Partial<LabOptions> = {}): Promise<Lab> {
  return Lab.up({ managers: 1, workers: 0, ...o, name: `t${randomBytes(3).toString('hex')}` });
}

export interface ApiTask {
  readonly ID: string;
  readonly ServiceID: string;
  readonly Slot?: number;
  readonly NodeID?: string;
  readonly DesiredState: string;
  readonly NetworksAttachments?: readonly { readonly Addresses?: readonly string[] }[];
  readonly Status: {
    readonly State: string;
    readonly Err?: string;
    readonly Message?: string;
    readonly ContainerStatus?: { readonly ContainerID?: string; readonly ExitCode?: number };
  };
}

export interface ApiNode {
  readonly ID: string;
  readonly Description: { readonly Hostname: string };
  readonly Spec: { readonly Role: string; readonly Availability: string };
  readonly Status: { readonly State: string };
  readonly ManagerStatus?: { readonly Leader?: boolean; readonly Reachability: string };
}

export const tasksOf = (lab: Lab, node: string) => api<readonly ApiTask[]>(lab.socket(node), 'GET', '/tasks');
export const nodesOf = (lab: Lab, node: string) => api<readonly ApiNode[]>(lab.socket(node), 'GET', '/nodes');

/** Tasks of a service that are meant to run and do, on nodes that are up. */
export async function runningTasks(lab: Lab, node: string, service: string): Promise<readonly ApiTask[]> {
  const { ID } = await api<{ readonly ID: string }>(lab.socket(node), 'GET', `/services/${service}`);
  const up = new Set((await nodesOf(lab, node)).filter((n) => n.Status.State === 'ready').map((n) => n.ID));
  const tasks = await tasksOf(lab, node);
  return tasks.filter(
    (t) => t.ServiceID === ID && t.DesiredState === 'running' && t.Status.State === 'running' && up.has(t.NodeID ?? ''),
  );
}

export function untilRunning(
  lab: Lab,
  node: string,
  service: string,
  count: number,
  timeoutMs = 60_000,
): Promise<readonly ApiTask[]> {
  return waitFor(`${count} tasks of ${service} run`, timeoutMs, async () => {
    const tasks = await runningTasks(lab, node, service);
    return tasks.length === count ? tasks : undefined;
  });
}

export async function leaderOf(lab: Lab, via: string): Promise<string> {
  return waitFor('there is a leader', 30_000, async () => {
    const leader = (await nodesOf(lab, via)).find((n) => n.ManagerStatus?.Leader);
    return leader?.Description.Hostname;
  });
}

export function untilState(
  lab: Lab,
  via: string,
  hostname: string,
  state: string,
  timeoutMs = 30_000,
): Promise<ApiNode> {
  return waitFor(`${hostname} is ${state}`, timeoutMs, async () => {
    return (await nodesOf(lab, via)).find((n) => n.Description.Hostname === hostname && n.Status.State === state);
  });
}

/** The output of a command that has to succeed. */
export function ok(r: RunResult): string {
  assert.equal(r.code, 0, `exit code ${r.code}: ${r.stderr || r.stdout}`);
  return r.stdout;
}

/** The error text of a command that has to fail. */
export function failed(r: RunResult, code = 1): string {
  assert.equal(r.code, code, `exit code ${r.code}, stdout: ${r.stdout}, stderr: ${r.stderr}`);
  return r.stderr.trim();
}
