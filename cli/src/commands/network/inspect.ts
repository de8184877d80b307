/** `swarmts network inspect`. */
import { bool, text } from '../../args/flag.js';
import { atLeast, defineCommand } from '../../command.js';
import { inspectAll } from '../../format/inspect-output.js';

export const command = defineCommand({
  synopsis: 'NETWORK [NETWORK...]',
  flags: {
    format: text("Format output using a custom template: 'json' or a Go template", { short: 'f' }),
    verbose: bool('Verbose output for diagnostics', { short: 'v' }),
  },
  arity: atLeast(1),
  completes: 'network',
  async run(ctx, f, refs) {
    const get = (ref: string) => ctx.api.get(`/networks/${encodeURIComponent(ref)}`, { verbose: f.verbose });
    await inspectAll(ctx, refs, get, f);
  },
});
