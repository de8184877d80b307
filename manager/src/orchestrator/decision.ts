/** What the orchestrators look at, and what they decide: steps that are written later. */
import type { Node, Service, Task, TaskState } from '@swarmts/proto';

export type Step =
  | { readonly type: 'create'; readonly task: Task }
  | { readonly type: 'desire'; readonly taskId: string; readonly state: TaskState }
  /** The old task is shut down and the new one takes its seat, in one transaction. */
  | { readonly type: 'replace'; readonly taskId: string; readonly task: Task };

export interface Decision {
  readonly steps: readonly Step[];
  /** When to look again although nothing has changed; 0 = never. */
  readonly lookAgainAtMs: number;
}

export interface ServiceView {
  readonly service: Service;
  readonly tasks: readonly Task[];
  readonly nodes: ReadonlyMap<string, Node>;
  readonly nowMs: number;
}

/** The earlier of two times, of which 0 means never. */
export function earlier(a: number, b: number): number {
  return a === 0 || b === 0 ? Math.max(a, b) : Math.min(a, b);
}
