/** `swarmts container inspect`. */
import { bool, text } from '../../args/flag.js';
import { atLeast, defineCommand } from '../../command.js';
import { inspectAll } from '../../format/inspect-output.js';

export const command = defineCommand({
  synopsis: 'CONTAINER [CONTAINER...]',
  flags: {
    format: text("Format output using a custom template: 'json' or a Go template", { short: 'f' }),
    size: bool('Display total file sizes', { short: 's' }),
  },
  arity: atLeast(1),
  completes: 'container',
  async run(ctx, f, refs) {
    const get = (ref: string) => ctx.api.get(`/containers/${encodeURIComponent(ref)}/json`, { size: f.size });
    await inspectAll(ctx, refs, get, f);
  },
});
