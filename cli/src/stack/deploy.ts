/**
 * Brings a compose project up as a stack: networks, secrets and configs first, then services in the order of their dependencies, and
 * what is not part of it any more is removed last. With `rollback`, a service that does not come up takes the others back with it.
 */
import { dependencyOrder } from '../compose/dependencies.js';
import type { ComposeProject } from '../compose/model.js';
import type { Context } from '../context.js';
import type { Service, ServiceSpec } from '../engine-types.js';
import { CommandError, errorText } from '../exit.js';
import { ApiError } from '../http/client.js';
import { filterQuery } from '../http/filters.js';
import { OutageError } from '../http/outage.js';
import { registryAuth } from '../http/registry-auth.js';
import { resolveImage } from '../service/lookup.js';
import { ProgressDisplay } from '../service/progress-display.js';
import { descoped, IMAGE_LABEL, scoped, stackFilter } from './names.js';
import { createNetworks } from './networks.js';
import { putPayloads, wantedPayloads } from './payloads.js';
import { type ConvertContext, IGNORED_KEYS, serviceSpec, withPayloadIds } from './service-spec.js';
import { fulfils, isUp } from './state.js';
import { createVolumes } from './volumes.js';
import { type Wanted, watchServices } from './watch-services.js';

export interface DeployOptions {
  readonly stack: string;
  readonly prune: boolean;
  readonly detach: boolean;
  readonly quiet: boolean;
  readonly rollback: boolean;
  readonly resolveImage: 'always' | 'changed' | 'never';
  readonly withRegistryAuth: boolean;
  /** 0 = for ever. */
  readonly waitTimeoutMs: number;
}

/** A service that is up has to stay so before the deployment counts as done, as with `service create`. */
const STABLE_MS = 5000;

/** What was done to a service, so that it can be taken back. */
interface Done {
  readonly id: string;
  readonly name: string;
  readonly created: boolean;
}

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
    return putService(ctx, name, existing.get(scoped(o.stack, name)), spec, o);
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

const INTERRUPTED_EXIT_CODE = 130;

/** Nothing is taken back at ^C: no service failed, and what was asked for goes on. */
function interrupted(project: ComposeProject, done: ReadonlyMap<string, Done>, o: DeployOptions): CommandError {
  const missing = dependencyOrder(project.services).filter((name) => !done.has(name));
  const more = `\`swarmts stack services ${o.stack}\` shows how far they are`;
  const text = [
    `interrupted: the services of stack ${o.stack} go on coming up in the background; ${more}`,
    ...(missing.length > 0 ? [`not deployed, because others were waited for: ${missing.join(', ')}`] : []),
    ...(o.prune ? ['services that are not part of the file any more were not removed'] : []),
  ];
  return new CommandError(text.join('\n'), INTERRUPTED_EXIT_CODE);
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

async function putService(
  ctx: Context,
  name: string,
  existing: Service | undefined,
  spec: ServiceSpec,
  o: DeployOptions,
): Promise<Done> {
  const image = spec.TaskTemplate?.ContainerSpec?.Image ?? '';
  const auth = o.withRegistryAuth ? registryAuth(ctx.env, image) : undefined;
  const headers = auth === undefined ? {} : { headers: { 'X-Registry-Auth': auth } };
  const scopedName = spec.Name ?? name;
  if (!existing) {
    ctx.out.write(`Creating service ${scopedName}\n`);
    const body = o.resolveImage === 'never' ? spec : await pinned(ctx, spec);
    const answer = await ctx.api.json<{ readonly ID: string }>('POST', '/services/create', { body, ...headers });
    return { id: answer.ID, name, created: true };
  }
  ctx.out.write(`Updating service ${scopedName} (id: ${existing.ID})\n`);
  const same = existing.Spec.Labels?.[IMAGE_LABEL] === image;
  const resolve = o.resolveImage === 'always' || (o.resolveImage === 'changed' && !same);
  const kept = same ? existing.Spec.TaskTemplate?.ContainerSpec?.Image : undefined;
  const body = withForceUpdate(resolve ? await pinned(ctx, spec) : withImage(spec, kept ?? image), existing);
  const query = { version: existing.Version?.Index ?? 0, ...(auth === undefined ? { registryAuthFrom: 'spec' } : {}) };
  await ctx.api.json('POST', `/services/${existing.ID}/update`, { body, query, ...headers });
  return { id: existing.ID, name, created: false };
}

async function pinned(ctx: Context, spec: ServiceSpec): Promise<ServiceSpec> {
  const { image } = await resolveImage(ctx, spec.TaskTemplate?.ContainerSpec?.Image ?? '');
  return withImage(spec, image);
}

function withImage(spec: ServiceSpec, image: string): ServiceSpec {
  const task = spec.TaskTemplate;
  return { ...spec, TaskTemplate: { ...task, ContainerSpec: { ...task?.ContainerSpec, Image: image } } };
}

/** A forced update of before is no reason to restart anything now. */
function withForceUpdate(spec: ServiceSpec, existing: Service): ServiceSpec {
  const forced = existing.Spec.TaskTemplate?.ForceUpdate;
  return forced === undefined ? spec : { ...spec, TaskTemplate: { ...spec.TaskTemplate, ForceUpdate: forced } };
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

/** Services that were made are removed, those that were changed go back to their spec of before. */
async function takeBack(ctx: Context, done: readonly Done[]): Promise<void> {
  for (const d of done.toReversed()) {
    try {
      if (d.created) {
        ctx.out.write(`Removing service ${d.name} again\n`);
        await ctx.api.delete(`/services/${d.id}`);
        continue;
      }
      const service = await ctx.api.get<Service>(`/services/${d.id}`);
      if (!service.PreviousSpec || service.UpdateStatus?.State?.startsWith('rollback')) continue;
      ctx.out.write(`Rolling service ${d.name} back\n`);
      const query = { version: service.Version?.Index ?? 0, rollback: 'previous' };
      await ctx.api.post(`/services/${d.id}/update`, service.PreviousSpec, query);
    } catch (e) {
      ctx.err.write(`service ${d.name} was not taken back: ${errorText(e)}\n`);
    }
  }
}
