/**
 * A node: its containers, and the process that drives them as managers say. The process may die without its containers, or with
 * them; what a task does next is decided by the agent's own task machine.
 */
import type { Random, SimulatedClock } from '@swarmts/lib';
import {
  AgentMessage,
  type Assignments,
  AssignmentsKind,
  type DispatcherMessage,
  isTerminal,
  NodeDescription,
  type Task,
  TaskState,
  TaskStatus,
} from '@swarmts/proto';
import { nextAction } from '@swarmts/worker/simulation';
import type { AgentEnd } from './sim-stream.js';

export interface SimAgentOptions {
  readonly id: string;
  readonly clock: SimulatedClock;
  readonly random: Random;
  readonly cpus: number;
  /** A session with the leader, if it can be reached. */
  readonly connect: (agent: SimAgent) => AgentEnd | undefined;
  readonly onStart: (agent: SimAgent, task: Task) => void;
  /** Whether what starts fails at once. */
  readonly fails: (task: Task) => boolean;
}

interface Container {
  task: Task;
  status: TaskStatus;
  running: boolean;
  removed: boolean;
  busy: boolean;
}

const CONNECT_MS = 150;
const BEAT_MS = 1_000;
/** How long a container of a job runs, at most. */
const JOB_MS = 3_000;

export class SimAgent {
  readonly id: string;
  readonly containers = new Map<string, Container>();
  readonly #o: SimAgentOptions;
  #life = 0;
  #session: AgentEnd | undefined;
  #sequence = -1;
  #up = false;

  constructor(options: SimAgentOptions) {
    this.#o = options;
    this.id = options.id;
  }

  get up(): boolean {
    return this.#up;
  }

  start(): void {
    if (this.#up) return;
    this.#up = true;
    this.#life++;
    this.#connectSoon();
    for (const id of this.containers.keys()) this.#drive(id);
  }

  /** The process dies; its containers go on. */
  crash(): void {
    this.#up = false;
    this.#life++;
    this.#leave();
    for (const c of this.containers.values()) c.busy = false;
  }

  /** Everything dies. */
  powerOff(): void {
    this.crash();
    for (const c of this.containers.values()) {
      if (!c.running) continue;
      c.running = false;
      c.status = TaskStatus.create({ ...c.status, state: TaskState.FAILED, err: 'power loss' });
    }
  }

  /** The line to the managers is cut, or the leader has gone. */
  disconnect(): void {
    this.#leave();
    if (this.#up) this.#connectSoon();
  }

  get running(): readonly Task[] {
    return [...this.containers.values()].filter((c) => c.running).map((c) => c.task);
  }

  #leave(): void {
    if (this.#session) this.#session.closed = true;
    this.#session = undefined;
  }

  /** Runs later, unless the process has died meanwhile. */
  #later(ms: number, fn: () => void): void {
    const life = this.#life;
    this.#o.clock.after(ms, () => {
      if (this.#up && this.#life === life) fn();
    });
  }

  #delay(max: number): number {
    return 1 + this.#o.random() * max;
  }

  #connectSoon(): void {
    this.#later(this.#delay(CONNECT_MS), () => {
      if (this.#session) return;
      const end = this.#o.connect(this);
      if (!end) {
        this.#connectSoon();
        return;
      }
      this.#session = end;
      const ended = () => {
        if (this.#session === end) this.disconnect();
      };
      end.on('data', (m: DispatcherMessage) => {
        if (this.#session === end) this.#onMessage(m);
      });
      end.on('error', ended);
      end.on('end', ended);
      const resources = { nanoCpus: this.#o.cpus * 1e9, memoryBytes: 8e9, pids: 0, generic: [] };
      const description = NodeDescription.create({ hostname: this.id, resources });
      this.#send(AgentMessage.create({ hello: { description, addr: '192.0.2.1', previousSessionId: '' } }));
      this.#beat(end);
    });
  }

  #beat(end: AgentEnd): void {
    this.#later(BEAT_MS, () => {
      if (this.#session !== end) return;
      this.#send(AgentMessage.create({ heartbeat: {} }));
      this.#beat(end);
    });
  }

  #send(m: AgentMessage): void {
    this.#session?.write(m);
  }

  #onMessage(m: DispatcherMessage): void {
    if (m.session) for (const id of this.containers.keys()) this.#report(id);
    if (!m.assignments) return;
    if (this.#apply(m.assignments)) this.#send(AgentMessage.create({ applied: { sequence: this.#sequence } }));
    else this.disconnect();
  }

  #apply(a: Assignments): boolean {
    const complete = a.kind === AssignmentsKind.COMPLETE_SET;
    if (!complete && a.appliesTo !== this.#sequence) return false;
    this.#sequence = a.resultsIn;
    const known = new Set(a.tasks.map((t) => t.id));
    if (complete) for (const id of this.containers.keys()) if (!known.has(id)) this.#remove(id);
    for (const task of a.tasks) {
      const c = this.containers.get(task.id);
      if (c) c.task = task;
      else {
        const status = task.status ?? TaskStatus.create({ state: TaskState.ASSIGNED });
        this.containers.set(task.id, { task, status, running: false, removed: false, busy: false });
      }
      this.#drive(task.id);
    }
    for (const id of a.removedTaskIds) this.#remove(id);
    return true;
  }

  #remove(id: string): void {
    const c = this.containers.get(id);
    if (!c) return;
    c.removed = true;
    this.#drive(id);
  }

  #report(id: string): void {
    const c = this.containers.get(id);
    if (c) this.#send(AgentMessage.create({ statuses: { updates: [{ taskId: id, status: c.status }] } }));
  }

  #set(id: string, state: TaskState, err = ''): void {
    const c = this.containers.get(id);
    if (!c) return;
    c.status = TaskStatus.create({ ...c.status, state, err });
    this.#report(id);
  }

  #drive(id: string): void {
    const c = this.containers.get(id);
    if (!c || c.busy || !this.#up) return;
    const desired = c.removed ? TaskState.REMOVE : c.task.desiredState;
    const action = nextAction(c.status.state, desired);
    const step = (maxMs: number, fn: () => void) => {
      c.busy = true;
      this.#later(this.#delay(maxMs), () => {
        c.busy = false;
        fn();
        this.#drive(id);
      });
    };
    switch (action) {
      case 'accept':
        this.#set(id, TaskState.ACCEPTED);
        this.#drive(id);
        return;
      case 'prepare':
        this.#set(id, TaskState.PREPARING);
        step(400, () => this.#set(id, TaskState.READY));
        return;
      case 'start':
        this.#set(id, TaskState.STARTING);
        step(300, () => this.#begin(id, c));
        return;
      case 'watch':
        this.#watch(id, c, step);
        return;
      case 'stop':
        step(700, () => {
          c.running = false;
          this.#set(id, TaskState.SHUTDOWN);
        });
        return;
      case 'give-up':
        this.#set(id, TaskState.SHUTDOWN);
        this.#drive(id);
        return;
      case 'nothing':
        if (c.removed && isTerminal(c.status.state)) this.containers.delete(id);
    }
  }

  #begin(id: string, c: Container): void {
    if (this.#o.fails(c.task)) {
      this.#set(id, TaskState.FAILED, 'it was not to be');
      return;
    }
    c.running = true;
    this.#o.onStart(this, c.task);
    this.#set(id, TaskState.RUNNING);
  }

  /** A container that died while nobody looked has failed; a job's ends by itself. */
  #watch(id: string, c: Container, step: (maxMs: number, fn: () => void) => void): void {
    if (!c.running) {
      this.#set(id, TaskState.FAILED, 'it is gone');
      return;
    }
    if (c.task.desiredState !== TaskState.COMPLETE) return;
    step(JOB_MS, () => {
      if (!c.running || c.removed || c.task.desiredState !== TaskState.COMPLETE) return;
      c.running = false;
      this.#set(id, TaskState.COMPLETE);
    });
  }
}
