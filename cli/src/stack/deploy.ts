/**
 * Brings a compose project up as a stack: networks, secrets and configs first, then services in the order of their dependencies, and
 * what is not part of it any more is removed last. With `rollback`, a service that does not come up takes the others back with it.
 */
import { dependencyOrder } from '../compose/dependencies.js';
import type { ComposeProject } from '../compose/model.js';
import type { Context } from '../context.js';
import type { Service, ServiceSpec } from '../engine-types.js';
import { InterruptedError } from '../exit.js';
import { ApiError } from '../http/client.js';
import { filterQuery } from '../http/filters.js';
import { OutageError } from '../http/outage.js';
import { ProgressDisplay } from '../service/progress-display.js';
import { descoped, scoped, stackFilter } from './names.js';
import { createNetworks } from './networks.js';
import { putPayloads, wantedPayloads } from './payloads.js';
import { type Done, type PutOptions, putService, takeBack } from './put-service.js';
import { type ConvertContext, IGNORED_KEYS, serviceSpec, withPayloadIds } from './service-spec.js';
import { fulfils, isUp } from './state.js';
import { createVolumes } from './volumes.js';
import { type Wanted, watchServices } from './watch-services.js';

export interface DeployOptions extends PutOptions {
  readonly stack: string;
  readonly prune: boolean;
  readonly detach: boolean;
  readonly quiet: boolean;
  readonly rollback: boolean;
  /** 0 = for ever. */
  readonly waitTimeoutMs: number;
}

/** A service that is up has to stay so before the deployment counts as done, as with `service create`. */
const STABLE_MS = 5000;

export async function deployStack(ctx: Context, project: ComposeProject, o: DeployOptions): Promise<void> {
  warnIgnored(ctx, project);
  // Mistakes in the file are told before anything is created.
  const specs = serviceSpecs(project, { stack: o.stack, project, env: ctx.env });
  const secrets = wantedPayloads(ctx, o.stack, project, 'secrets');
  const configs = wantedPayloads(ctx, o.stack, project, 'configs');
  await createNetworks(ctx, o.stack, project);
  const secretIds = await putPayloads(ctx, 'secrets', secrets);
  const configIds = await putPayloads(ctx, 'configs', configs);
  await createVolumes(ctx, o.stack, project);
  const existing = await servicesOf(ctx, o.stack);
  const done = new Map<string, Done>();
  const put = (name: string) => {
    const spec = withPayloadIds(specs.get(name) ?? {}, secretIds, configIds);
    return putService(ctx, name, existing.get(scoped(o.stack, name))?.ID, spec, o);
  };
  let isDone: boolean;
  try {
    isDone = await bringUp(ctx, project, done, put, o);
  } catch (e) {
    // Services that nobody could ask about may well have come up.
    if (o.rollback && done.size > 0 && !(e instanceof OutageError)) await takeBack(ctx, [...done.values()]);
    throw e;
  }
  if (!isDone) throw interrupted(project, done, o);
  if (o.prune) await pruneServices(ctx, o.stack, existing, project);
}

/** Services in the order of their dependencies, noted in `done`; false when ^C was pressed before all were up. */
async function bringUp(
  ctx: Context,
  project: ComposeProject,
  done: Map<string, Done>,
  put: (name: string) => Promise<Done>,
  o: DeployOptions,
): Promise<boolean> {
  const display = o.quiet ? undefined : new ProgressDisplay(ctx.out);
  const deadlineMs = o.waitTimeoutMs === 0 ? Number.POSITIVE_INFINITY : ctx.now() + o.waitTimeoutMs;
  for (const name of dependencyOrder(project.services)) {
    if (!o.detach) {
      const started = await awaitDependencies(ctx, name, project, done, { display, deadlineMs, stableMs: 0 });
      if (!started) return false;
    }
    done.set(name, await put(name));
  }
  if (o.detach) return true;
  const all = [...done.values()].map((d): Wanted => ({ id: d.id, name: d.name, isReached: isUp }));
  return await watchServices(ctx, all, { display, deadlineMs, stableMs: STABLE_MS });
}

/** Nothing is taken back at ^C: no service failed, and what was asked for goes on. */
function interrupted(project: ComposeProject, done: ReadonlyMap<string, Done>, o: DeployOptions): InterruptedError {
  const missing = dependencyOrder(project.services).filter((name) => !done.has(name));
  const more = `\`swarmts stack services ${o.stack}\` shows how far they are`;
  const text = [
    `interrupted: the services of stack ${o.stack} go on coming up in the background; ${more}`,
    ...(missing.length > 0 ? [`not deployed, because others were waited for: ${missing.join(', ')}`] : []),
    ...(o.prune ? ['services that are not part of the file any more were not removed'] : []),
  ];
  return new InterruptedError(text.join('\n'));
}

function serviceSpecs(project: ComposeProject, c: ConvertContext): ReadonlyMap<string, ServiceSpec> {
  return new Map(Object.entries(project.services).map(([name, s]) => [name, serviceSpec(name, s, c)]));
}

function warnIgnored(ctx: Context, project: ComposeProject): void {
  const used = IGNORED_KEYS.filter((k) => Object.values(project.services).some((s) => s[k] !== undefined));
  if (used.length > 0) ctx.err.write(`Ignoring options that mean nothing in a cluster: ${used.join(', ')}\n\n`);
}

export async function servicesOf(ctx: Context, stack: string): Promise<ReadonlyMap<string, Service>> {
  const found = await ctx.api.get<Service[]>('/services', {
    filters: filterQuery([], stackFilter(stack)),
    status: true,
  });
  return new Map(found.map((s) => [s.Spec.Name ?? '', s]));
}

async function awaitDependencies(
  ctx: Context,
  name: string,
  project: ComposeProject,
  done: ReadonlyMap<string, Done>,
  o: Parameters<typeof watchServices>[2],
): Promise<boolean> {
  const wanted = Object.entries(project.services[name]?.depends_on ?? {}).flatMap(
    ([other, { condition }]): Wanted[] => {
      const d = done.get(other);
      return d ? [{ id: d.id, name: other, isReached: (_, state) => fulfils(condition, state) }] : [];
    },
  );
  return await watchServices(ctx, wanted, o);
}

async function pruneServices(
  ctx: Context,
  stack: string,
  existing: ReadonlyMap<string, Service>,
  project: ComposeProject,
): Promise<void> {
  for (const [name, service] of existing) {
    if (project.services[descoped(stack, name)]) continue;
    ctx.out.write(`Removing service ${name}\n`);
    await ctx.api.delete(`/services/${service.ID}`).catch((e: unknown) => {
      // Somebody else was faster.
      if (!(e instanceof ApiError && e.status === 404)) throw e;
    });
  }
}
