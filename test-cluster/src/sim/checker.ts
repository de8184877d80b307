/** What must be true of a cluster at any moment, and what in the end. Each violation is one sentence. */

import { replicasOf, type Store } from '@swarmts/manager/simulation';
import {
  isTerminal,
  isWanted,
  NodeState,
  observedState,
  type Service,
  type Task,
  TaskState,
  taskName,
  UpdateOrder,
} from '@swarmts/proto';
import type { SimAgent } from './sim-agent.js';

/** How long a node counts as having been lost after it was DOWN: its containers are told to stop when it is back. */
const LOST_FOR_MS = 90_000;
/** The orchestrator's own patience with a predecessor that does not stop. */
const PATIENCE_MS = 60_000;

export class Checker {
  readonly violations: string[] = [];
  readonly #downAt = new Map<string, number>();
  readonly #completions = new Map<string, string>();
  readonly #services = new Set<string>();
  #quiet = '';
  #leaving = new Map<string, number>();

  /** Every change that the leader's store sees. */
  watch(store: Store, now: () => number): void {
    store.watch({
      change: (c) => {
        if (c.kind === 'node' && c.object.status?.state === NodeState.DOWN) this.#downAt.set(c.object.id, now());
        if (c.kind === 'node' && c.old?.status?.state === NodeState.DOWN) this.#downAt.set(c.object.id, now());
        if (c.kind !== 'task') return;
        const { object: task, old } = c;
        if (c.action !== 'remove' && old && observedState(task) < observedState(old))
          this.#fail(`${taskName(task)} went back from ${observedState(old)} to ${observedState(task)}`);
        if (c.action !== 'remove' && old && task.desiredState < old.desiredState)
          this.#fail(`${taskName(task)} is desired to go back from ${old.desiredState} to ${task.desiredState}`);
        if (c.action !== 'remove' && old && old.nodeId !== '' && task.nodeId !== old.nodeId)
          this.#fail(`${taskName(task)} moved from ${old.nodeId} to ${task.nodeId}`);
        if (!isWanted(task) && !this.#leaving.has(task.id)) this.#leaving.set(task.id, now());
        if (c.action !== 'remove') this.#completed(task);
      },
      commit: () => this.#invariants(store),
    });
  }

  #fail(what: string): void {
    this.violations.push(what);
  }

  /** A slot of a job completes once in an iteration. */
  #completed(task: Task): void {
    if (task.jobIteration === undefined || observedState(task) !== TaskState.COMPLETE) return;
    const key = `${task.serviceId} ${task.jobIteration.index} ${task.slot}`;
    const before = this.#completions.get(key);
    // A node that was lost may have completed the task that was replaced.
    if (before !== undefined && before !== task.id && this.#downAt.size === 0)
      this.#fail(`slot ${task.slot} of a job completed twice`);
    this.#completions.set(key, task.id);
  }

  #invariants(store: Store): void {
    const tasks = store.view((tx) => tx.list('task'));
    const reserved = new Map<string, number>();
    const addresses = new Map<string, string>();
    const claim = (address: string, owner: string) => {
      const other = addresses.get(address);
      if (other !== undefined && other !== owner) this.#fail(`${owner} and ${other} both have ${address}`);
      addresses.set(address, owner);
    };
    for (const t of tasks) {
      const state = observedState(t);
      if (isTerminal(state)) continue;
      for (const n of t.networks) for (const a of n.addresses) claim(`${n.network?.id} ${a}`, t.id);
      if (state < TaskState.ASSIGNED) continue;
      const cpus = t.spec?.resources?.reservations?.nanoCpus ?? 0;
      reserved.set(t.nodeId, (reserved.get(t.nodeId) ?? 0) + cpus);
    }
    for (const s of store.view((tx) => tx.list('service')))
      for (const v of s.endpoint?.virtualIps ?? []) claim(`${v.networkId} ${v.addr}`, s.id);
    for (const n of store.view((tx) => tx.list('node'))) {
      const used = reserved.get(n.id) ?? 0;
      if (used > (n.description?.resources?.nanoCpus ?? Number.POSITIVE_INFINITY))
        this.#fail(`${used / 1e9} CPUs are reserved on ${n.id}, which has fewer`);
    }
  }

  /** A container starts: no other of its slot may be running, unless its node is or was lost. */
  started(agent: SimAgent, task: Task, agents: readonly SimAgent[], store: Store, nowMs: number): void {
    const service = store.get('service', task.serviceId);
    if (!service || service.spec?.update?.order === UpdateOrder.START_FIRST) return;
    for (const other of agents) {
      for (const t of other.running) {
        if (t.id === task.id || t.serviceId !== task.serviceId || t.slot !== task.slot) continue;
        if (task.slot === 0 && other !== agent) continue;
        // A seat that was given up is free for the next at once; a node that has not heard of it yet may even start what had it.
        if ([t, task].some(({ id }) => (store.get('task', id)?.desiredState ?? TaskState.REMOVE) === TaskState.REMOVE))
          continue;
        // A job that is run again does not wait for what its last run left.
        if (t.jobIteration?.index !== task.jobIteration?.index) continue;
        const node = store.get('node', other.id);
        const lost = this.#wasLost(other, nowMs) || this.#wasLost(agent, nowMs);
        const given = nowMs - (this.#leaving.get(t.id) ?? nowMs) >= PATIENCE_MS;
        if (lost || given || !node || node.status?.state === NodeState.DOWN) continue;
        this.#fail(`${taskName(task)} starts on ${agent.id} while its predecessor runs on ${other.id}`);
      }
    }
  }

  #wasLost(agent: SimAgent, nowMs: number): boolean {
    return nowMs - (this.#downAt.get(agent.id) ?? Number.NEGATIVE_INFINITY) < LOST_FOR_MS;
  }

  /** What the managers said was written: it stays, until they say that it was removed. */
  acknowledged(kind: 'created' | 'removed', serviceId: string): void {
    if (kind === 'created') this.#services.add(serviceId);
    else this.#services.delete(serviceId);
  }

  /** The tasks when all is quiet, to be compared with those of later. */
  quiet(store: Store): void {
    this.#quiet = this.#live(store);
  }

  #live(store: Store): string {
    return store
      .view((tx) => tx.list('task'))
      .filter((t) => isWanted(t) && observedState(t) === TaskState.RUNNING)
      .map((t) => t.id)
      .sort()
      .join(' ');
  }

  /** Everything has healed, and there was time. */
  final(store: Store, agents: readonly SimAgent[]): void {
    const tasks = store.view((tx) => tx.list('task'));
    for (const id of this.#services) if (!store.get('service', id)) this.#fail(`service ${id} is lost`);
    if (this.#quiet !== this.#live(store)) this.#fail('tasks were restarted although all was quiet');
    for (const n of store.view((tx) => tx.list('node')))
      if (n.status?.state !== NodeState.NODE_READY) this.#fail(`node ${n.id} is not ready in the end`);
    for (const s of store.view((tx) => tx.list('service'))) this.#finalService(s, tasks, store);
    for (const a of agents) {
      for (const t of a.running) {
        const known = store.get('task', t.id);
        if (!known || !isWanted(known)) this.#fail(`${taskName(t)} still runs on ${a.id}, and is not wanted`);
      }
    }
  }

  #finalService(s: Service, tasks: readonly Task[], store: Store): void {
    const name = s.spec?.annotations?.name;
    const mine = tasks.filter((t) => t.serviceId === s.id);
    const job = s.spec?.mode?.replicatedJob;
    if (job) {
      const iteration = s.jobStatus?.jobIteration?.index ?? 0;
      const done = mine.filter((t) => t.jobIteration?.index === iteration && observedState(t) === TaskState.COMPLETE);
      if (new Set(done.map((t) => t.slot)).size !== job.totalCompletions)
        this.#fail(`job ${name} has ${done.length} completions, not ${job.totalCompletions}`);
      return;
    }
    const running = mine.filter((t) => isWanted(t) && observedState(t) === TaskState.RUNNING);
    const nodes = store.view((tx) => tx.list('node')).filter((n) => n.spec?.availability === 0);
    const want = s.spec?.mode?.global ? nodes.length : replicasOf(s);
    const reasons = mine.filter((t) => isWanted(t) && t.status?.err).map((t) => t.status?.err ?? '');
    // What does not fit anywhere waits with its reason.
    if (running.length !== want && !reasons.some((r) => r.startsWith('no suitable node')))
      this.#fail(`service ${name} runs ${running.length} tasks, not ${want}${reasons.map((r) => ` (${r})`).join('')}`);
  }
}
