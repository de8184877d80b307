/** Commands of containers that take a task instead, and work on whatever node it is on, through the managers. */
import type { Arity, Command } from '../command.js';
import type { Context } from '../context.js';
import type { Task } from '../engine-types.js';
import { CommandError } from '../exit.js';
import { ApiClient } from '../http/client.js';
import { TunnelAgent } from '../http/tunnel.js';

interface Place {
  readonly nodeId: string;
  readonly containerId: string;
}

export interface OnTask {
  /** Of the command that works on a container. */
  readonly command: Command;
  readonly synopsis: string;
  readonly arity?: Arity;
  /** Where an argument names the task; default: the first one, whole. */
  readonly taskIn?: (args: readonly string[]) => { readonly ref: string; put(containerId: string): readonly string[] };
}

/** The same command for a task. */
export function onTask(o: OnTask): Command {
  const first = ([ref = '', ...rest]: readonly string[]) => ({ ref, put: (id: string) => [id, ...rest] });
  return {
    ...o.command,
    synopsis: o.synopsis,
    arity: o.arity ?? o.command.arity,
    completes: 'none',
    async run(ctx, parsed) {
      const { ref, put } = (o.taskIn ?? first)(parsed.args);
      const place = await placeOf(ctx, ref);
      const api = new ApiClient(ctx.api.host, new TunnelAgent(ctx.api.host, place.nodeId));
      try {
        await o.command.run({ ...ctx, api }, { ...parsed, args: put(place.containerId) });
      } finally {
        api.close();
      }
    },
  };
}

async function placeOf(ctx: Context, ref: string): Promise<Place> {
  const task = await findTask(ctx, ref);
  const containerId = task.Status?.ContainerStatus?.ContainerID ?? '';
  const nodeId = task.NodeID ?? '';
  if (containerId !== '' && nodeId !== '') return { nodeId, containerId };
  throw new CommandError(
    `task ${ref} is ${task.Status?.State ?? 'new'} and has no container: swarmts task explain ${task.ID} says why`,
  );
}

/** By id, the beginning of one, or as "SERVICE.SLOT" (of global services "SERVICE.NODE"): the one that is meant to run. */
export async function findTask(ctx: Context, ref: string): Promise<Task> {
  const byId = await ctx.api.find<Task>(`/tasks/${encodeURIComponent(ref)}`);
  if (byId) return byId;
  const dot = ref.lastIndexOf('.');
  const [service, seat] = [ref.slice(0, dot), ref.slice(dot + 1)];
  if (dot > 0 && seat !== '') {
    const filters = JSON.stringify({ service: [service], 'desired-state': ['running'] });
    const tasks = (await ctx.api.find<readonly Task[]>('/tasks', { filters })) ?? [];
    const here = tasks.filter((t) => (t.Slot ? String(t.Slot) === seat : t.NodeID?.startsWith(seat)));
    const running = here.find((t) => t.Status?.State === 'running') ?? here[0];
    if (running) return running;
  }
  throw new CommandError(
    `no such task: ${ref}; a task is named by its id or as SERVICE.SLOT, see: swarmts service ps SERVICE`,
  );
}
