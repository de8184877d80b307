/** `swarmts volume inspect`. */
import { text } from '../../args/flag.js';
import { atLeast, defineCommand } from '../../command.js';
import { inspectAll } from '../../format/inspect-output.js';

export const command = defineCommand({
  synopsis: 'VOLUME [VOLUME...]',
  flags: { format: text("Format output using a custom template: 'json' or a Go template", { short: 'f' }) },
  arity: atLeast(1),
  completes: 'volume',
  async run(ctx, f, refs) {
    await inspectAll(ctx, refs, (ref) => ctx.api.get(`/volumes/${encodeURIComponent(ref)}`), f);
  },
});
