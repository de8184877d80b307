/** The spec that the flags of `service update` make of a service's: what `service plan` tells and `service update` writes. */
import type { FlagValues } from '../args/flag.js';
import type { Context } from '../context.js';
import type { ServiceSpec } from '../engine-types.js';
import { defined } from './edit.js';
import { editSpec } from './edit-spec.js';
import type { updateFlags } from './flags.js';
import { checkReference, resolveImage } from './lookup.js';
import { updateEdits } from './update-edits.js';

export async function updatedSpec(
  ctx: Context,
  old: ServiceSpec,
  f: FlagValues<typeof updateFlags>,
): Promise<ServiceSpec> {
  let spec = editSpec(old, await updateEdits(ctx, f));
  if (f.args !== undefined) spec = withContainer(spec, { Args: f.args });
  if (f.image !== undefined) {
    checkReference(f.image);
    const resolved = f['no-resolve-image'] ? { image: f.image, platforms: [] } : await resolveImage(ctx, f.image);
    spec = withPlatforms(withContainer(spec, { Image: resolved.image }), resolved.platforms);
  }
  return f.force ? forced(spec) : spec;
}

function withContainer(spec: ServiceSpec, change: object): ServiceSpec {
  const task = spec.TaskTemplate ?? {};
  return { ...spec, TaskTemplate: { ...task, ContainerSpec: { ...task.ContainerSpec, ...change } } };
}

/** The platforms of the old image say nothing about the new one. */
function withPlatforms(spec: ServiceSpec, platforms: readonly object[]): ServiceSpec {
  const task = spec.TaskTemplate ?? {};
  const Placement = defined({ ...task.Placement, Platforms: platforms.length > 0 ? platforms : undefined });
  return { ...spec, TaskTemplate: { ...task, Placement } };
}

function forced(spec: ServiceSpec): ServiceSpec {
  const task = spec.TaskTemplate ?? {};
  return { ...spec, TaskTemplate: { ...task, ForceUpdate: (task.ForceUpdate ?? 0) + 1 } };
}
