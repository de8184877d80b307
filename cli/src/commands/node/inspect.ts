/** `swarmts node inspect`. */
import { bool, text } from '../../args/flag.js';
import { atLeast, defineCommand } from '../../command.js';
import { CommandError } from '../../exit.js';
import { inspectAll } from '../../format/inspect-output.js';
import { getNode } from '../../node/change.js';
import { prettyNode } from '../../node/pretty.js';

export const command = defineCommand({
  synopsis: 'self|NODE [NODE...]',
  flags: {
    format: text("Format output using a custom template: 'json' or a Go template", { short: 'f' }),
    pretty: bool('Print the information in a human friendly format'),
  },
  arity: atLeast(1),
  completes: 'node',
  async run(ctx, f, refs) {
    if (f.pretty && f.format !== '') throw new CommandError('--format is incompatible with human friendly format');
    const pretty = f.pretty || f.format === 'pretty';
    await inspectAll(ctx, refs, (ref) => getNode(ctx, ref), {
      format: f.format,
      pretty: pretty ? prettyNode : undefined,
    });
  },
});
