/**
 * What a service would become: which fields change, which tasks would be made, replaced, removed or kept, and where the new ones would go
 * if nothing else happened. Nothing is written. Pure.
 */
import {
  isWanted,
  type Node,
  observedState,
  type Service,
  type ServiceSpec,
  type Task,
  TaskState,
  type Volume,
} from '@swarmts/proto';
import { NodeInfo, occupiesNode, placeGroup, VolumeSet } from '@swarmts/scheduler';
import { fitsPlacement, isDirty, isDrained, newTask } from '../orchestrator/new-task.js';
import { replicasOf } from '../orchestrator/replicas.js';
import { freeSlots, groupBySeat, isOccupied, slotsToRemove, wanted } from '../orchestrator/slots.js';

export interface FieldChange {
  /** "task.container.image" */
  readonly path: string;
  /** JSON; undefined where there is nothing. */
  readonly from?: string;
  readonly to?: string;
}

export interface PlannedTask {
  /** "web.3", or "web.<node>" for a global service. */
  readonly name: string;
  readonly action: 'create' | 'replace' | 'remove' | 'keep';
  /** Hostname or id; '' while there is none. */
  readonly fromNode: string;
  readonly toNode: string;
  /** Why it would not run; '' when it would. */
  readonly problem: string;
}

export interface ServicePlan {
  readonly action: 'create' | 'update' | 'none';
  readonly changes: readonly FieldChange[];
  readonly tasks: readonly PlannedTask[];
}

export interface PlanInput {
  /** As it is; undefined for a new one. */
  readonly service: Service | undefined;
  /** As it would be. */
  readonly next: Service;
  readonly tasks: readonly Task[];
  readonly nodes: readonly Node[];
  /** All tasks that take up room, of every service. */
  readonly placed: readonly Task[];
  readonly volumes: readonly Volume[];
  readonly nowMs: number;
}

export function planService(input: PlanInput): ServicePlan {
  const changes = fieldChanges(input.service?.spec, input.next.spec);
  const mode = input.next.spec?.mode;
  const planned = mode?.global ? planGlobal(input) : mode?.replicated ? planReplicated(input) : planJob(input);
  return { action: input.service ? (changes.length > 0 ? 'update' : 'none') : 'create', changes, tasks: planned };
}

interface Wish {
  readonly slot: number;
  readonly action: 'create' | 'replace';
  readonly fromNode: string;
}

function planReplicated(p: PlanInput): readonly PlannedTask[] {
  const nodes = new Map(p.nodes.map((n) => [n.id, n]));
  const seats = new Map([...groupBySeat(p.tasks)].filter(([, tasks]) => isOccupied(p.next, tasks, p.nowMs)));
  const want = replicasOf(p.next);
  const removed = new Set(seats.size > want ? slotsToRemove(seats, seats.size - want) : []);
  const out: PlannedTask[] = [];
  const wishes: Wish[] = [];
  const leaving = new Set<string>();
  for (const [key, tasks] of seats) {
    const task = wanted(tasks)[0];
    const at = nameOf(nodes.get(task?.nodeId ?? ''));
    const leaves = removed.has(key) || (task && isDirty(p.next, task, nodes.get(task.nodeId)));
    if (leaves) for (const t of wanted(tasks)) leaving.add(t.id);
    if (removed.has(key))
      out.push({ name: slotName(p.next, Number(key)), action: 'remove', fromNode: at, toNode: '', problem: '' });
    else if (leaves) wishes.push({ slot: Number(key), action: 'replace', fromNode: at });
    else out.push({ name: slotName(p.next, Number(key)), action: 'keep', fromNode: at, toNode: at, problem: '' });
  }
  const taken = new Set([...seats.keys()].map(Number));
  for (const slot of freeSlots(taken, Math.max(0, want - seats.size)))
    wishes.push({ slot, action: 'create', fromNode: '' });
  return [...out, ...place(p, wishes, leaving)].sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
}

function planJob(p: PlanInput): readonly PlannedTask[] {
  const job = p.next.spec?.mode?.replicatedJob;
  const count = job ? Math.min(job.maxConcurrent, job.totalCompletions) : 0;
  if (job)
    return place(
      p,
      Array.from({ length: count }, (_, slot): Wish => ({ slot, action: 'create', fromNode: '' })),
      new Set(),
    );
  return planGlobal(p);
}

function planGlobal(p: PlanInput): readonly PlannedTask[] {
  return p.nodes.flatMap((node): PlannedTask[] => {
    const task = p.tasks.find((t) => t.nodeId === node.id && isWanted(t) && observedState(t) <= TaskState.RUNNING);
    const name = `${p.next.spec?.annotations?.name}.${nameOf(node)}`;
    const at = nameOf(node);
    const fits = fitsPlacement(p.next, node) && !isDrained(node);
    if (!fits) return task ? [{ name, action: 'remove', fromNode: at, toNode: '', problem: '' }] : [];
    if (!task) return [{ name, action: 'create', fromNode: '', toNode: at, problem: '' }];
    return [{ name, action: isDirty(p.next, task, node) ? 'replace' : 'keep', fromNode: at, toNode: at, problem: '' }];
  });
}

/** Asks the scheduler, on copies of the nodes from which the tasks that leave have gone. */
function place(p: PlanInput, wishes: readonly Wish[], leaving: ReadonlySet<string>): readonly PlannedTask[] {
  const infos = new Map(p.nodes.map((n) => [n.id, new NodeInfo(n)]));
  const volumes = new VolumeSet();
  for (const v of p.volumes) volumes.put(v);
  for (const t of p.placed) {
    if (leaving.has(t.id) || !occupiesNode(t)) continue;
    infos.get(t.nodeId)?.addTask(t);
    volumes.track(t);
  }
  const tasks = wishes.map((w) => newTask(p.next, { slot: w.slot, nodeId: '' }, TaskState.RUNNING, p.nowMs));
  const assigned = (t: Task, n: NodeInfo): Task => ({
    ...t,
    nodeId: n.id,
    assignedGenericResources: n.generic.claim(t.spec?.resources?.reservations?.generic ?? []) ?? [],
    volumes: volumes.choose(t, n).attachments ?? [],
  });
  const result = placeGroup(tasks, [...infos.values()], p.nowMs, assigned, volumes);
  const at = new Map(result.placed.map((x) => [x.task.id, nameOf(x.node.node)]));
  return wishes.map((w, i) => {
    const toNode = at.get(tasks[i]?.id ?? '') ?? '';
    const problem = toNode === '' ? result.explanation : '';
    return { name: slotName(p.next, w.slot), action: w.action, fromNode: w.fromNode, toNode, problem };
  });
}

const slotName = (s: Service, slot: number): string => `${s.spec?.annotations?.name}.${slot}`;
const nameOf = (n: Node | undefined): string => n?.description?.hostname || n?.id || '';

/** Differences of two specs, leaf by leaf. Credentials are told apart, not told. */
export function fieldChanges(from: ServiceSpec | undefined, to: ServiceSpec | undefined): readonly FieldChange[] {
  const before = leaves(from);
  const after = leaves(to);
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort();
  return paths.flatMap((path): FieldChange[] => {
    const [a, b] = [before.get(path), after.get(path)];
    if (a === b) return [];
    if (path.endsWith('registryAuth')) return [{ path }];
    return [{ path, ...(a === undefined ? {} : { from: a }), ...(b === undefined ? {} : { to: b }) }];
  });
}

/** Values that are no default, by their path, as JSON. */
function leaves(value: unknown, path = '', out = new Map<string, string>()): Map<string, string> {
  if (value === undefined || value === null || value === '' || value === 0 || value === false) return out;
  if (value instanceof Uint8Array) {
    if (value.length > 0) out.set(path, `${value.length} bytes`);
    return out;
  }
  if (typeof value !== 'object') return out.set(path, JSON.stringify(value));
  for (const [k, v] of Object.entries(value)) {
    const key = Array.isArray(value) ? `${path}[${k}]` : path === '' ? k : `${path}.${k}`;
    leaves(v, key, out);
  }
  return out;
}
