/** Tells the managers what the tasks of services that scale by themselves use; nothing is measured for the others. */
import type { Clock, TimerHandle } from '@swarmts/lib';
import { AgentUsage, extensionLabels, observedState, type Task, TaskState, TaskUsage } from '@swarmts/proto';
import type { ContainerStats } from '../engine/container-api.js';

const PERIOD_MS = 5_000;

export interface UsageReporterOptions {
  readonly clock: Clock;
  readonly tasks: () => readonly Task[];
  /** Undefined when the task's container does not run. */
  readonly stats: (taskId: string) => ContainerStats | undefined;
  readonly send: (usage: AgentUsage) => void;
}

interface Sample {
  readonly atMs: number;
  readonly cpuNs: number;
}

export class UsageReporter {
  readonly #o: UsageReporterOptions;
  #last = new Map<string, Sample>();
  #timer: TimerHandle | undefined;

  constructor(options: UsageReporterOptions) {
    this.#o = options;
  }

  start(): void {
    this.#timer?.cancel();
    this.#timer = this.#o.clock.after(PERIOD_MS, () => {
      this.report();
      this.start();
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** The first sample of a task says nothing about its CPU yet: it is sent from the second on. */
  report(): void {
    const samples = new Map<string, Sample>();
    const usages: TaskUsage[] = [];
    for (const task of this.#o.tasks()) {
      if (observedState(task) !== TaskState.RUNNING || !isAutoscaled(task)) continue;
      const stats = this.#o.stats(task.id);
      if (!stats) continue;
      const sample = { atMs: this.#o.clock.monotonic(), cpuNs: stats.cpu.totalNs };
      const before = this.#last.get(task.id);
      samples.set(task.id, sample);
      if (!before || sample.atMs <= before.atMs) continue;
      const cpuMillis = Math.max(0, Math.round((sample.cpuNs - before.cpuNs) / 1000 / (sample.atMs - before.atMs)));
      usages.push(TaskUsage.create({ taskId: task.id, cpuMillis, memoryBytes: workingSet(stats) }));
    }
    this.#last = samples;
    if (usages.length > 0) this.#o.send(AgentUsage.create({ tasks: usages }));
  }
}

function isAutoscaled(task: Task): boolean {
  return task.serviceAnnotations?.labels[extensionLabels.autoscale] !== undefined;
}

/** Without the file pages that the kernel would give up at once. */
function workingSet(stats: ContainerStats): number {
  const { usage, details } = stats.memory;
  return Math.max(0, usage - (details.inactive_file ?? details.total_inactive_file ?? 0));
}
