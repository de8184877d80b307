/** Waits for services of a stack, all at once, with a line for each; throws as soon as one of them cannot get there. */
import type { Context } from '../context.js';
import type { Node, Service, Task } from '../engine-types.js';
import { CommandError } from '../exit.js';
import { filterQuery } from '../http/filters.js';
import { throughOutage } from '../http/outage.js';
import type { ProgressDisplay } from '../service/progress-display.js';
import { isJob } from '../service/seats.js';
import { type ServiceState, stateOf } from './state.js';

const POLL_MS = 250;
/** A task that has ended may have a successor in a moment; a service that has one again is none that does not come up. */
const TROUBLE_MS = 2000;
/** A service that has nothing to run may not have been looked at yet. */
const EMPTY_MS = 1000;

export interface Wanted {
  readonly id: string;
  /** As people call it. */
  readonly name: string;
  isReached(service: Service, state: ServiceState): boolean;
}

export interface WatchOptions {
  readonly display: ProgressDisplay | undefined;
  /** Epoch milliseconds; infinite = for ever. */
  readonly deadlineMs: number;
  /** A service that is up must stay so for as long before it counts; 0 = at once. */
  readonly stableMs: number;
}

/** Whether all have been reached; false when ^C was pressed first. */
export async function watchServices(ctx: Context, wanted: readonly Wanted[], o: WatchOptions): Promise<boolean> {
  const interrupt = ctx.interrupt();
  const since = new Map<string, number>();
  const troubled = new Map<string, number>();
  while (!interrupt.aborted) {
    if (wanted.length === 0) return true;
    const reading = await throughOutage(ctx, interrupt, () => read(ctx, wanted));
    if (!reading) return false;
    const { services, tasks, activeNodes } = reading;
    let open = 0;
    for (const w of wanted) {
      const service = services.get(w.id);
      if (!service) throw new CommandError(`service ${w.name} was removed meanwhile`);
      const state = stateOf(
        service,
        tasks.filter((t) => t.ServiceID === w.id),
        activeNodes,
      );
      o.display?.show([{ id: w.name, text: textOf(service, state) }]);
      if (state.problem === '') troubled.delete(w.id);
      else if (!troubled.has(w.id)) troubled.set(w.id, ctx.now());
      if (ctx.now() - (troubled.get(w.id) ?? ctx.now()) >= TROUBLE_MS) {
        const more = `\`swarmts service ps --no-trunc ${service.Spec.Name}\` shows more`;
        throw new CommandError(`service ${w.name} does not come up: ${state.problem}; ${more}`);
      }
      if (!w.isReached(service, state)) since.delete(w.id);
      else if (!since.has(w.id)) since.set(w.id, ctx.now());
      const at = since.get(w.id);
      const neededMs = state.desired === 0 ? Math.max(o.stableMs, EMPTY_MS) : o.stableMs;
      if (at === undefined || ctx.now() - at < neededMs) open++;
    }
    if (open === 0) return true;
    if (ctx.now() > o.deadlineMs) throw new CommandError(tooLate(wanted, since));
    await ctx.sleep(POLL_MS, interrupt);
  }
  return false;
}

async function read(ctx: Context, wanted: readonly Wanted[]) {
  const ids = wanted.map((w) => w.id);
  const [services, tasks, nodes] = await Promise.all([
    ctx.api.get<Service[]>('/services', { filters: filterQuery([], { id: ids }), status: true }),
    ctx.api.get<Task[]>('/tasks', { filters: filterQuery([], { service: ids, '_up-to-date': ['true'] }) }),
    ctx.api.get<Node[]>('/nodes'),
  ]);
  const activeNodes = new Set(nodes.filter((n) => n.Status?.State !== 'down').map((n) => n.ID));
  return { services: new Map(services.map((s) => [s.ID, s])), tasks, activeNodes };
}

function textOf(service: Service, s: ServiceState): string {
  if (s.waitsForSchedule) return 'runs at the times of its schedule';
  const finished = s.finished === 0 ? '' : `, ${s.finished} finished`;
  const count = isJob(service)
    ? `${s.completed} out of ${s.desired} completed`
    : `${s.running} out of ${s.desired} tasks${finished}`;
  return s.note === '' ? count : `${count} (${s.note.replaceAll('\n', ' ')})`;
}

function tooLate(wanted: readonly Wanted[], reached: ReadonlyMap<string, number>): string {
  const open = wanted.filter((w) => !reached.has(w.id)).map((w) => w.name);
  return `not everything is up in time: ${open.join(', ')}; it goes on in the background`;
}
