/** Questions to networks from inside of containers, from nodes, and from a machine that is no node. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { api } from '../client.js';
import type { Lab } from '../lab/lab.js';
import { type RunResult, runAsync } from '../lab/run.js';

const CURL = ['curl', '-s', '-m', '3'] as const;

interface ContainerJson {
  readonly Id: string;
  readonly Names: readonly string[];
}

/** Pid of a running container whose name begins with `name`, on a node. */
export async function pidOf(lab: Lab, node: string, name: string): Promise<number> {
  const all = await api<readonly ContainerJson[]>(lab.socket(node), 'GET', '/containers/json');
  const found = all.find((c) => c.Names.some((n) => n.startsWith(`/${name}`)));
  assert.ok(found, `no container ${name} runs on ${node}`);
  const info = await api<{ readonly State: { readonly Pid: number } }>(
    lab.socket(node),
    'GET',
    `/containers/${found.Id}/json`,
  );
  return info.State.Pid;
}

/** The node on which a container whose name begins with `name` runs. */
export async function nodeWith(lab: Lab, name: string): Promise<string> {
  for (const node of lab.nodes.map((n) => n.name)) {
    const all = await api<readonly ContainerJson[]>(lab.socket(node), 'GET', '/containers/json');
    if (all.some((c) => c.Names.some((n) => n.startsWith(`/${name}`)))) return node;
  }
  throw new Error(`no container ${name} runs anywhere`);
}

/** Runs a program of this machine in the network namespace of a process. */
export function inNetworkOf(pid: number, ...argv: readonly string[]): Promise<RunResult> {
  return runAsync('timeout', ['15', 'nsenter', `--target=${pid}`, '--net', '--', ...argv]);
}

export async function inContainer(
  lab: Lab,
  node: string,
  name: string,
  ...argv: readonly string[]
): Promise<RunResult> {
  return inNetworkOf(await pidOf(lab, node, name), ...argv);
}

/** Processes with that name in the node's own network namespace. */
export function processesOf(lab: Lab, node: string, name: string): readonly number[] {
  const daemon = lab.nodes.find((n) => n.name === node)?.pid ?? 0;
  const namespaceOf = (pid: number) => readlinkSync(`/proc/${pid}/ns/net`);
  const own = namespaceOf(daemon);
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        return pid > 0 && readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === name && namespaceOf(pid) === own;
      } catch {
        // It ended while we looked.
        return false;
      }
    });
}

export const outsidePid = (lab: Lab) => lab.outsidePid;

/** What the test web server says about a request: its own name, and where the request came from. */
export interface Visit {
  readonly host: string;
  readonly client: string;
}

export function parseVisit(r: RunResult): Visit {
  assert.equal(r.code, 0, `curl ended with ${r.code}: ${r.stderr}`);
  const host = /^Hostname: (\S+)/m.exec(r.stdout)?.[1] ?? '';
  const client = (/^RemoteAddr: \[?([^\]\s]+)\]?/m.exec(r.stdout)?.[1] ?? '').replace('::ffff:', '');
  return { host, client };
}

export const visitUrl = (address: string, port = 80) => `http://${address}:${port}/cgi-bin/index.cgi`;
export const curl = (url: string, ...more: readonly string[]) => [...CURL, ...more, url];

/** Addresses that a name has for a container; [] when there are none. */
export async function resolveIn(pid: number, name: string, ...more: readonly string[]): Promise<readonly string[]> {
  const r = await inNetworkOf(pid, 'dig', '+short', '+time=3', '+tries=1', '@127.0.0.11', name, ...more);
  return r.stdout
    .split('\n')
    .filter((l) => l !== '' && !l.startsWith(';'))
    .sort();
}
