/** Makes a service of a stack or changes it to what the file says, and takes that back. */
import type { Context } from '../context.js';
import type { Service, ServiceSpec, TaskTemplate } from '../engine-types.js';
import { errorText } from '../exit.js';
import { ApiError, type Query } from '../http/client.js';
import { registryAuth } from '../http/registry-auth.js';
import { resolveImage } from '../service/lookup.js';
import { IMAGE_LABEL } from './names.js';

export interface PutOptions {
  readonly resolveImage: 'always' | 'changed' | 'never';
  readonly withRegistryAuth: boolean;
}

/** What was done to a service, so that it can be taken back. */
export interface Done {
  readonly id: string;
  readonly name: string;
  readonly created: boolean;
}

/** Others, people or the managers themselves, may write a service between reading and writing it. */
const MAX_UPDATE_TRIES = 5;

/** `existingId` is undefined for a service that is new. Its spec is read again, as the one of before may be minutes old. */
export async function putService(
  ctx: Context,
  name: string,
  existingId: string | undefined,
  spec: ServiceSpec,
  o: PutOptions,
): Promise<Done> {
  const auth = o.withRegistryAuth ? registryAuth(ctx.env, imageOf(spec)) : undefined;
  const headers: Readonly<Record<string, string>> = auth === undefined ? {} : { 'X-Registry-Auth': auth };
  if (existingId === undefined) {
    ctx.out.write(`Creating service ${spec.Name}\n`);
    const body = o.resolveImage === 'never' ? spec : await pinned(ctx, spec);
    const answer = await ctx.api.json<{ readonly ID: string }>('POST', '/services/create', { body, headers });
    return { id: answer.ID, name, created: true };
  }
  ctx.out.write(`Updating service ${spec.Name} (id: ${existingId})\n`);
  const query = auth === undefined ? { registryAuthFrom: 'spec' } : {};
  await updateService(ctx, existingId, async (now) => ({ body: await changedSpec(ctx, spec, now, o), query, headers }));
  return { id: existingId, name, created: false };
}

interface Update {
  readonly body: ServiceSpec;
  readonly query: Query;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Writes what `change` makes of the service as it is now; does nothing when that is undefined. */
async function updateService(
  ctx: Context,
  id: string,
  change: (now: Service) => Promise<Update | undefined>,
): Promise<void> {
  for (let tries = 1; ; tries++) {
    const now = await ctx.api.get<Service>(`/services/${id}`);
    const update = await change(now);
    if (!update) return;
    const query = { version: now.Version?.Index ?? 0, ...update.query };
    try {
      await ctx.api.json('POST', `/services/${id}/update`, { ...update, query });
      return;
    } catch (e) {
      if (tries === MAX_UPDATE_TRIES || !isOutOfSequence(e)) throw e;
    }
  }
}

function isOutOfSequence(e: unknown): boolean {
  return e instanceof ApiError && e.message.includes('update out of sequence');
}

/** An image that the file names as before keeps its digest, unless it is to be resolved anew. */
async function changedSpec(ctx: Context, spec: ServiceSpec, now: Service, o: PutOptions): Promise<ServiceSpec> {
  const isSame = now.Spec.Labels?.[IMAGE_LABEL] === imageOf(spec);
  const isResolved = o.resolveImage === 'always' || (o.resolveImage === 'changed' && !isSame);
  const { ContainerSpec: container, Placement: placement, ForceUpdate: forced } = now.Spec.TaskTemplate ?? {};
  let body = spec;
  if (isResolved) body = await pinned(ctx, spec);
  else if (isSame) body = withImage(spec, container?.Image ?? imageOf(spec), placement?.Platforms ?? []);
  // A forced update of before is no reason to restart anything now.
  return forced === undefined ? body : withTask(body, { ForceUpdate: forced });
}

async function pinned(ctx: Context, spec: ServiceSpec): Promise<ServiceSpec> {
  const { image, platforms } = await resolveImage(ctx, imageOf(spec));
  return withImage(spec, image, platforms);
}

/** `platforms` are those that the image has; none = not known. */
function withImage(spec: ServiceSpec, image: string, platforms: readonly object[]): ServiceSpec {
  const { ContainerSpec: container, Placement: placement } = spec.TaskTemplate ?? {};
  return withTask(spec, {
    ContainerSpec: { ...container, Image: image },
    ...(platforms.length === 0 ? {} : { Placement: { ...placement, Platforms: platforms } }),
  });
}

function withTask(spec: ServiceSpec, change: TaskTemplate): ServiceSpec {
  return { ...spec, TaskTemplate: { ...spec.TaskTemplate, ...change } };
}

const imageOf = (spec: ServiceSpec): string => spec.TaskTemplate?.ContainerSpec?.Image ?? '';

/** Services that were made are removed, those that were changed go back to their spec of before. */
export async function takeBack(ctx: Context, done: readonly Done[]): Promise<void> {
  for (const d of done.toReversed()) {
    try {
      if (d.created) {
        ctx.out.write(`Removing service ${d.name} again\n`);
        await ctx.api.delete(`/services/${d.id}`);
      } else {
        await rollBack(ctx, d);
      }
    } catch (e) {
      ctx.err.write(`service ${d.name} was not taken back: ${errorText(e)}\n`);
    }
  }
}

async function rollBack(ctx: Context, d: Done): Promise<void> {
  let told = false;
  await updateService(ctx, d.id, async (now) => {
    if (!now.PreviousSpec || now.UpdateStatus?.State?.startsWith('rollback')) return undefined;
    if (!told) ctx.out.write(`Rolling service ${d.name} back\n`);
    told = true;
    return { body: now.PreviousSpec, query: { rollback: 'previous' } };
  });
}
