/** `swarmts stack rm`: services, secrets, configs, networks; volumes stay. Waits until no task is left, unless detached. */
import { bool } from '../../args/flag.js';
import { atLeast, defineCommand } from '../../command.js';
import type { Context } from '../../context.js';
import type { Task } from '../../engine-types.js';
import { CommandError, errorText, forEachTarget, InterruptedError } from '../../exit.js';
import { ApiError } from '../../http/client.js';
import { filterQuery } from '../../http/filters.js';
import { servicesOf } from '../../stack/deploy.js';
import { checkStackName, stackFilter } from '../../stack/names.js';

/** A network is busy until the last of its tasks has stopped, which takes the grace period of a container at most. */
const POLL_MS = 250;
const TRIES = 240;

interface Named {
  readonly ID?: string;
  readonly Id?: string;
  readonly Name?: string;
  readonly Spec?: { readonly Name?: string };
}

export const command = defineCommand({
  synopsis: 'STACK [STACK...]',
  flags: { detach: bool('Do not wait for stack removal', { short: 'd' }) },
  arity: atLeast(1),
  async run(ctx, f, stacks) {
    await forEachTarget(stacks, (stack) => removeStack(ctx, checkStackName(stack), f.detach));
  },
});

async function removeStack(ctx: Context, stack: string, detach: boolean): Promise<void> {
  const filters = filterQuery([], stackFilter(stack));
  const services = [...(await servicesOf(ctx, stack)).values()];
  const [secrets, configs, networks] = await Promise.all(
    ['secrets', 'configs', 'networks'].map((kind) => ctx.api.get<Named[]>(`/${kind}`, { filters })),
  );
  const rest = [
    ...(secrets ?? []).map((o) => ({ kind: 'secret', path: `/secrets/${o.ID}`, name: o.Spec?.Name ?? '' })),
    ...(configs ?? []).map((o) => ({ kind: 'config', path: `/configs/${o.ID}`, name: o.Spec?.Name ?? '' })),
    ...(networks ?? []).map((o) => ({ kind: 'network', path: `/networks/${o.Id}`, name: o.Name ?? '' })),
  ];
  if (services.length + rest.length === 0) {
    ctx.err.write(`Nothing found in stack: ${stack}\n`);
    return;
  }
  for (const s of services) {
    ctx.out.write(`Removing service ${s.Spec.Name}\n`);
    await ctx.api.delete(`/services/${s.ID}`);
  }
  const ids = services.map((s) => s.ID);
  if (!detach && !(await untilGone(ctx, ids))) {
    const left = rest.map((o) => `${o.kind} ${o.name}`).join(', ') || 'nothing';
    throw new InterruptedError(
      `interrupted: the tasks of stack ${stack} go on stopping in the background; not removed: ${left}`,
    );
  }
  const failures: string[] = [];
  for (const o of rest) {
    ctx.out.write(`Removing ${o.kind} ${o.name}\n`);
    await ctx.api.delete(o.path).catch((e: unknown) => {
      // An earlier version of a secret or config goes with the newest one.
      if (e instanceof ApiError && e.status === 404) return;
      failures.push(`Failed to remove ${o.kind} ${o.name}: ${errorText(e)}`);
    });
  }
  if (failures.length > 0) throw new CommandError(failures.join('\n'));
}

/** Resolves to false at ^C. */
async function untilGone(ctx: Context, serviceIds: readonly string[]): Promise<boolean> {
  if (serviceIds.length === 0) return true;
  const interrupt = ctx.interrupt();
  for (let i = 0; i < TRIES && !interrupt.aborted; i++) {
    const tasks = await ctx.api.get<Task[]>('/tasks');
    if (!tasks.some((t) => serviceIds.includes(t.ServiceID ?? ''))) return true;
    await ctx.sleep(POLL_MS, interrupt);
  }
  return !interrupt.aborted;
}
