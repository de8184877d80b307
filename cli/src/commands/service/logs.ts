/**
 * `swarmts service logs`: the output of a service's tasks (or of one task), each line with the task it comes from. And what
 * `swarmts task logs` has of it.
 */
import { bool, type FlagValues } from '../../args/flag.js';
import { defineCommand, exactly } from '../../command.js';
import type { Context } from '../../context.js';
import type { Node, Service, Task } from '../../engine-types.js';
import { ApiError } from '../../http/client.js';
import { type Frame, readFrames, writeBytes } from '../../http/frames.js';
import { logFlags, logQuery } from '../../http/log-query.js';
import { LogPrefix } from '../../service/log-prefix.js';

export interface Target {
  readonly kind: 'services' | 'tasks';
  readonly id: string;
  readonly tty: boolean;
  readonly replicas: number;
}

async function target(ctx: Context, ref: string): Promise<Target> {
  const s = await ctx.api.find<Service>(`/services/${encodeURIComponent(ref)}`);
  if (s) {
    const replicas = s.Spec.Mode?.Replicated?.Replicas ?? 1;
    return { kind: 'services', id: s.ID, tty: s.Spec.TaskTemplate?.ContainerSpec?.TTY ?? false, replicas };
  }
  const t = await ctx.api.find<Task>(`/tasks/${encodeURIComponent(ref)}`);
  if (!t) throw new ApiError(404, `no such task or service: ${ref}`);
  return logsOfTask(t);
}

export function logsOfTask(t: Task): Target {
  return { kind: 'tasks', id: t.ID, tty: t.Spec?.ContainerSpec?.TTY ?? false, replicas: t.Slot ?? 1 };
}

export const flags = {
  ...logFlags,
  'no-resolve': bool('Do not map IDs to Names in output'),
  'no-task-ids': bool('Do not include task IDs in output'),
  'no-trunc': bool('Do not truncate output'),
  raw: bool('Do not neatly format logs'),
};

export const command = defineCommand({
  synopsis: 'SERVICE|TASK',
  flags,
  arity: exactly(1),
  completes: 'service',
  async run(ctx, f, [ref = '']) {
    await showLogs(ctx, f, await target(ctx, ref));
  },
});

export async function showLogs(ctx: Context, f: FlagValues<typeof flags>, to: Target): Promise<void> {
  const signal = ctx.interrupt();
  const query = { ...logQuery(f, ctx.now()), details: f.raw ? f.details : true };
  const stream = await ctx.api.open('GET', `/${to.kind}/${to.id}/logs`, { query, signal });
  const prefix = new LogPrefix({
    details: f.details,
    timestamps: f.timestamps,
    resolve: !f['no-resolve'],
    taskIds: !f['no-task-ids'],
    trunc: !f['no-trunc'],
    replicas: to.replicas,
    task: async (id) => ctx.api.get<Task>(`/tasks/${id}`),
    service: async (id) => (await ctx.api.get<Service>(`/services/${id}`)).Spec.Name ?? id,
    node: async (id) => {
      const n = await ctx.api.get<Node>(`/nodes/${id}`);
      return n.Spec.Name || n.Description?.Hostname || id;
    },
  });
  try {
    if (to.tty) {
      await ctx.out.pipe(stream);
      return;
    }
    for await (const frame of readFrames(stream)) await print(ctx, frame, f.raw ? undefined : prefix);
  } catch (e) {
    if (!signal.aborted) throw e;
  }
}

async function print(ctx: Context, frame: Frame, prefix: LogPrefix | undefined): Promise<void> {
  if (frame.stream === 'error') {
    const text = frame.data.toString();
    ctx.err.write(text.endsWith('\n') ? text : `${text}\n`);
    return;
  }
  const line = prefix ? await prefix.format(frame.data) : frame.data;
  await writeBytes(frame.stream === 'stderr' ? ctx.err : ctx.out, line);
}
