/** `swarmts service update`: reads the spec, applies the flags, writes it back under the version that was read. */
import { defineCommand, exactly } from '../../command.js';
import type { Service, ServiceSpec } from '../../engine-types.js';
import { CommandError } from '../../exit.js';
import { registryAuth } from '../../http/registry-auth.js';
import { waitForConvergence } from '../../service/converge.js';
import { defined } from '../../service/edit.js';
import { editSpec } from '../../service/edit-spec.js';
import { updateFlags } from '../../service/flags.js';
import { checkReference, resolveImage } from '../../service/lookup.js';
import { updateEdits } from '../../service/update-edits.js';
import { submitUpdate } from './submit.js';

const WAITING_FLAGS = new Set(['rollback', 'detach', 'quiet', 'with-registry-auth', 'no-resolve-image']);

export const command = defineCommand({
  synopsis: 'SERVICE',
  flags: updateFlags,
  arity: exactly(1),
  completes: 'service',
  async run(ctx, f, [ref = ''], given) {
    const service = await ctx.api.get<Service>(`/services/${encodeURIComponent(ref)}`);
    if (f.rollback) {
      const other = [...given].filter((name) => !WAITING_FLAGS.has(name));
      if (other.length > 0) throw new CommandError('other flags may not be combined with --rollback');
      await submitUpdate(ctx, ref, service, service.Spec, { rollback: 'previous' });
    } else {
      let spec = editSpec(service.Spec, await updateEdits(ctx, f));
      spec = withContainer(spec, { ...(f.args === undefined ? {} : { Args: f.args }) });
      if (f.image !== undefined) {
        checkReference(f.image);
        const resolved = f['no-resolve-image'] ? { image: f.image, platforms: [] } : await resolveImage(ctx, f.image);
        spec = withPlatforms(withContainer(spec, { Image: resolved.image }), resolved.platforms);
      }
      if (f.force) spec = forced(spec);
      const image = spec.TaskTemplate?.ContainerSpec?.Image ?? '';
      const auth = f['with-registry-auth'] ? registryAuth(ctx.env, image) : undefined;
      await submitUpdate(ctx, ref, service, spec, auth === undefined ? { registryAuthFrom: 'spec' } : {}, auth);
    }
    if (!f.detach) await waitForConvergence(ctx, service.ID, { quiet: f.quiet });
  },
});

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
