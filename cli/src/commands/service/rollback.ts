/** `swarmts service rollback`: back to the spec before the last update. */
import { bool } from '../../args/flag.js';
import { defineCommand, exactly } from '../../command.js';
import type { Service } from '../../engine-types.js';
import { waitForConvergence } from '../../service/converge.js';
import { submitUpdate } from './submit.js';

export const command = defineCommand({
  synopsis: 'SERVICE',
  flags: {
    detach: bool('Exit immediately instead of waiting for the service to converge', { short: 'd' }),
    quiet: bool('Suppress progress output', { short: 'q' }),
  },
  arity: exactly(1),
  completes: 'service',
  async run(ctx, f, [ref = '']) {
    const service = await ctx.api.get<Service>(`/services/${encodeURIComponent(ref)}`);
    await submitUpdate(ctx, ref, service, service.Spec, { rollback: 'previous' });
    if (!f.detach) await waitForConvergence(ctx, service.ID, { quiet: f.quiet });
  },
});
