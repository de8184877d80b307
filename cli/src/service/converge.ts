/** Watches a service until it has converged: reads the API in turns and leaves every decision to ServiceProgress. */
import type { Context } from '../context.js';
import type { Node, Service, Task } from '../engine-types.js';
import { CommandError } from '../exit.js';
import { filterQuery } from '../http/filters.js';
import { throughOutage } from '../http/outage.js';
import { ServiceProgress } from './progress.js';
import { ProgressDisplay } from './progress-display.js';

const POLL_MS = 200;

export interface ConvergeOptions {
  readonly quiet: boolean;
}

/** Resolves when the service is stable or ^C was pressed; throws when the update was paused. */
export async function waitForConvergence(ctx: Context, serviceId: string, o: ConvergeOptions): Promise<void> {
  const interrupt = ctx.interrupt();
  const progress = new ServiceProgress();
  const display = new ProgressDisplay(ctx.out);
  const query = { filters: filterQuery([], { service: [serviceId], '_up-to-date': ['true'] }) };
  let converged = false;
  while (!interrupt.aborted) {
    const reading = await throughOutage(ctx, interrupt, () =>
      Promise.all([readService(ctx, serviceId), ctx.api.get<Task[]>('/tasks', query), ctx.api.get<Node[]>('/nodes')]),
    );
    if (!reading) break;
    const [service, tasks, nodes] = reading;
    const activeNodes = new Set(nodes.filter((n) => n.Status?.State !== 'down').map((n) => n.ID));
    const { lines, outcome } = progress.read({ service, tasks, activeNodes }, ctx.now());
    if (!o.quiet) display.show(lines);
    if (outcome.kind === 'done') return;
    if (outcome.kind === 'failed') throw new CommandError(outcome.message);
    converged = outcome.converged;
    await ctx.sleep(POLL_MS, interrupt);
  }
  if (!converged && !o.quiet) {
    ctx.out.write(`Operation continuing in background.\nUse \`swarmts service ps ${serviceId}\` to check progress.\n`);
  }
}

/** With its status, which only the list of services has. */
async function readService(ctx: Context, id: string): Promise<Service> {
  const list = await ctx.api.get<Service[]>('/services', { filters: filterQuery([], { id: [id] }), status: true });
  return list.find((s) => s.ID === id) ?? (await ctx.api.get<Service>(`/services/${id}`));
}
