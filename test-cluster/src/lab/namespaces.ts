/**
 * The lab's machines and wires: each node is a network, mount and UTS namespace held by a sleeping process, joined by veth
 * pairs to a bridge in a namespace of its own. Nothing touches the machine's own network.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { run, tryRun } from './run.js';

export interface Machine {
  readonly name: string;
  /** Process that holds the namespaces. */
  readonly holder: number;
  /** '' for the switch. */
  readonly address: string;
}

const BRIDGE = 'br0';
export const SUBNET_PREFIX = '10.210.0';

/** Starts a process that holds new namespaces. */
export async function holdNamespaces(): Promise<number> {
  const child = spawn('unshare', ['--net', '--mount', '--uts', '--propagation', 'private', 'sleep', 'infinity'], {
    stdio: 'ignore',
    detached: true,
  });
  child.unref();
  const pid = child.pid;
  if (pid === undefined) throw new Error('could not start unshare: is util-linux installed, and are you root?');
  // unshare replaces itself with sleep once the namespaces are there.
  for (let i = 0; i < HOLD_TRIES; i++) {
    if (commandOf(pid) === 'sleep') return pid;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error('unshare made no namespaces: are you root?');
}

const HOLD_TRIES = 400;

export function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
}

/** Whether the process still holds namespaces of ours. */
export function isHolding(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && commandOf(pid) === 'sleep';
}

/** Arguments of nsenter for a machine's network, mount and UTS namespaces. */
export function enter(m: Machine): readonly string[] {
  return [`--target=${m.holder}`, '--net', '--mount', '--uts', '--'];
}

export function runIn(m: Machine, ...argv: readonly string[]): string {
  return run('nsenter', ...enter(m), ...argv);
}

export function setUpSwitch(holder: number): Machine {
  const m = { name: 'switch', holder, address: '' };
  runIn(m, 'ip', 'link', 'add', BRIDGE, 'type', 'bridge');
  runIn(m, 'ip', 'link', 'set', BRIDGE, 'up');
  return m;
}

/** Names the machine, gives it its address and plugs it into the switch. */
export function plugIn(sw: Machine, name: string, holder: number, address: string): Machine {
  const m = { name, holder, address };
  runIn(m, 'hostname', name);
  runIn(m, 'ip', 'link', 'set', 'lo', 'up');
  runIn(sw, 'ip', 'link', 'add', `p-${name}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(holder));
  runIn(sw, 'ip', 'link', 'set', `p-${name}`, 'master', BRIDGE, 'up');
  runIn(m, 'ip', 'addr', 'add', `${address}/24`, 'dev', 'eth0');
  runIn(m, 'ip', 'link', 'set', 'eth0', 'up');
  return m;
}

const TABLE = 'inet swarmts_lab';

/** Makes the machine's fault table empty and ready. */
function faultTable(m: Machine): void {
  const script = `add table ${TABLE}\nadd chain ${TABLE} in { type filter hook prerouting priority -400; }\n`;
  nft(m, script);
}

function nft(m: Machine, script: string): void {
  const r = tryRun('nsenter', [...enter(m), 'nft', '-f', '-'], { input: script });
  if (r.code !== 0) throw new Error(`nft in ${m.name}: ${r.stderr.trim()}`);
}

/** Nothing from `from` arrives at `m` any more. */
export function dropFrom(m: Machine, from: Machine): void {
  faultTable(m);
  nft(m, `add rule ${TABLE} in iifname eth0 ip saddr ${from.address} drop\n`);
}

/** `percent` of the packets that arrive at `m` from outside are lost. */
export function loseAt(m: Machine, percent: number): void {
  faultTable(m);
  nft(m, `add rule ${TABLE} in iifname eth0 numgen random mod 100 < ${percent} drop\n`);
}

export function healAt(m: Machine): void {
  nft(m, `add table ${TABLE}\ndelete table ${TABLE}\n`);
}
