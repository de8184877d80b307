/** The filters of the pipeline, in their order; each says in Docker's words why nodes were refused. */
import { isEncrypted, type Task } from '@swarmts/proto';
import { type Constraint, matchesConstraint, normaliseArch, parseConstraints } from './constraint.js';
import { hostPortKeys, type NodeInfo } from './node-info.js';
import { clusterMounts, type VolumeSet } from './volume-set.js';

export interface Filter {
  readonly name: string;
  /** Whether the node may take the task. */
  check(node: NodeInfo): boolean;
  /** One node's reason, for `explain`. */
  reason(node: NodeInfo): string;
  /** Summary over `count` nodes. */
  explain(count: number): string;
}

const nodes = (n: number) => (n === 1 ? '1 node' : `${n} nodes`);

/** The filters that matter for this task; those that can refuse nothing are left out. */
export function filtersFor(task: Task): readonly Filter[] {
  const all = [
    ready,
    resources(task),
    plugins(task),
    encryption(task),
    constraints(task),
    platform(task),
    hostPorts(task),
    maxReplicas(task),
  ];
  return all.filter((f): f is Filter => f !== undefined);
}

const ready: Filter = {
  name: 'ready',
  check: (n) => n.ready,
  reason: () => 'the node is not ready or does not take new tasks (drain or pause)',
  explain: (count) => `${nodes(count)} not available for new tasks`,
};

function resources(task: Task): Filter | undefined {
  const want = task.spec?.resources?.reservations;
  if (!want || (want.nanoCpus === 0 && want.memoryBytes === 0 && want.generic.length === 0)) return undefined;
  return {
    name: 'resources',
    check: (n) =>
      n.freeNanoCpus >= want.nanoCpus &&
      n.freeMemoryBytes >= want.memoryBytes &&
      (want.generic.length === 0 || n.generic.claim(want.generic) !== undefined),
    reason: (n) => {
      const wanted = want.generic.map((g) => `, ${g.count} of ${g.kind}`).join('');
      const free = want.generic.map((g) => `, ${n.generic.freeText(g.kind)}`).join('');
      return (
        `wants ${want.nanoCpus / 1e9} CPUs and ${want.memoryBytes} bytes of memory${wanted}; ` +
        `free are ${n.freeNanoCpus / 1e9} CPUs and ${n.freeMemoryBytes} bytes${free}`
      );
    },
    explain: (count) => `insufficient resources on ${nodes(count)}`,
  };
}

/** Drivers of volumes and logs that the task names; those that every node has are not asked for. */
function plugins(task: Task): Filter | undefined {
  const volumes = (task.spec?.container?.mounts ?? [])
    .map((m) => m.volumeDriver)
    .filter((d) => d !== '' && d !== 'local');
  const log = task.logDriver?.name ?? '';
  const needed = [...volumes.map((d) => `Volume/${d}`), ...(log === '' || log === 'none' ? [] : [`Log/${log}`])];
  if (needed.length === 0) return undefined;
  const missing = (n: NodeInfo) => needed.filter((p) => !n.plugins.has(p));
  return {
    name: 'plugins',
    check: (n) => missing(n).length === 0,
    reason: (n) => `the node has no driver ${missing(n).join(', ')}`,
    explain: (count) => `missing plugin on ${nodes(count)}`,
  };
}

/** A node without the means would refuse the task of an encrypted network. */
function encryption(task: Task): Filter | undefined {
  const network = task.networks.find((n) => isEncrypted(n.network?.spec))?.network?.spec?.annotations?.name;
  if (network === undefined) return undefined;
  return {
    name: 'encryption',
    check: (n) => n.node.description?.dataPathEncryption !== '',
    reason: () =>
      `the node cannot encrypt network ${network}: install the package wireguard-go there, or a kernel with WireGuard`,
    explain: (count) => `no means to encrypt network ${network} on ${nodes(count)}`,
  };
}

function constraints(task: Task): Filter | undefined {
  const expressions = task.spec?.placement?.constraints ?? [];
  if (expressions.length === 0) return undefined;
  const parsed: readonly Constraint[] = parseConstraints(expressions);
  return {
    name: 'constraints',
    check: (n) => parsed.every((c) => matchesConstraint(c, n)),
    reason: (n) => `does not meet ${expressions.filter((_, i) => !matches(parsed[i], n)).join(', ')}`,
    explain: (count) => `scheduling constraints not satisfied on ${nodes(count)}`,
  };
}

function matches(c: Constraint | undefined, n: NodeInfo): boolean {
  return c !== undefined && matchesConstraint(c, n);
}

function platform(task: Task): Filter | undefined {
  const wanted = task.spec?.placement?.platforms ?? [];
  if (wanted.length === 0) return undefined;
  return {
    name: 'platform',
    check: (n) =>
      wanted.some(
        (p) =>
          (p.os === '' || p.os === n.os) &&
          (p.architecture === '' || normaliseArch(p.architecture) === normaliseArch(n.arch)),
      ),
    reason: (n) => `the image has no variant for ${n.os}/${n.arch}`,
    explain: (count) => `unsupported platform on ${nodes(count)}`,
  };
}

function hostPorts(task: Task): Filter | undefined {
  const keys = hostPortKeys(task);
  if (keys.length === 0) return undefined;
  return {
    name: 'host ports',
    check: (n) => !keys.some((k) => n.hostPorts.has(k)),
    reason: (n) => {
      const owner = n.holdersOf(keys).some((t) => t.serviceId === task.serviceId)
        ? 'a task of this service'
        : 'another task';
      return `${owner} has published the same port on this node`;
    },
    explain: (count) => `host-mode port already in use on ${nodes(count)}`,
  };
}

/** For tasks whose slot has volumes on a node. Other than the rest it depends on the very task. */
export function pinFilter(task: Task): Filter | undefined {
  const { pinnedNodeId } = task;
  if (pinnedNodeId === '') return undefined;
  const reason = `the volumes of slot ${task.slot} are on node ${pinnedNodeId}`;
  return {
    name: 'pinned volumes',
    check: (n) => n.id === pinnedNodeId,
    reason: () => reason,
    explain: (count) => `${reason}, not on ${nodes(count)}`,
  };
}

/**
 * For tasks with cluster volumes. Other than the rest it depends on the very task and on what other nodes have, and is
 * asked again for each task.
 */
export function volumeFilter(task: Task, volumes: VolumeSet): Filter | undefined {
  if (clusterMounts(task).length === 0) return undefined;
  const problem = (n: NodeInfo): string => {
    const choice = volumes.choose(task, n);
    return choice.attachments ? '' : choice.reason;
  };
  let last = '';
  return {
    name: 'volumes',
    check: (n) => {
      const reason = problem(n);
      if (reason !== '') last = reason;
      return reason === '';
    },
    reason: problem,
    explain: (count) => `cannot fulfill requested CSI volume mounts on ${nodes(count)}: ${last}`,
  };
}

function maxReplicas(task: Task): Filter | undefined {
  const max = task.spec?.placement?.maxReplicas ?? 0;
  if (max <= 0) return undefined;
  return {
    name: 'max replicas per node',
    check: (n) => n.tasksOf(task.serviceId) < max,
    reason: (n) => `runs ${n.tasksOf(task.serviceId)} tasks of this service, the limit per node is ${max}`,
    explain: () => 'max replicas per node limit exceed',
  };
}
