/** `swarmts service update`: reads the spec, applies the flags, writes it back under the version that was read. */
import { defineCommand, exactly } from '../../command.js';
import type { Service } from '../../engine-types.js';
import { CommandError } from '../../exit.js';
import { registryAuth } from '../../http/registry-auth.js';
import { waitForConvergence } from '../../service/converge.js';
import { updateFlags } from '../../service/flags.js';
import { updatedSpec } from '../../service/updated-spec.js';
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
      const spec = await updatedSpec(ctx, service.Spec, f);
      const image = spec.TaskTemplate?.ContainerSpec?.Image ?? '';
      const auth = f['with-registry-auth'] ? registryAuth(ctx.env, image) : undefined;
      await submitUpdate(ctx, ref, service, spec, auth === undefined ? { registryAuthFrom: 'spec' } : {}, auth);
    }
    if (!f.detach) await waitForConvergence(ctx, service.ID, { quiet: f.quiet });
  },
});
