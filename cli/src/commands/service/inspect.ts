/** `swarmts service inspect`. */
import { bool, text } from '../../args/flag.js';
import { atLeast, defineCommand } from '../../command.js';
import type { Service } from '../../engine-types.js';
import { CommandError } from '../../exit.js';
import { inspectAll } from '../../format/inspect-output.js';
import { prettyService } from '../../service/pretty.js';

export const command = defineCommand({
  synopsis: 'SERVICE [SERVICE...]',
  flags: {
    format: text("Format output using a custom template: 'json' or a Go template", { short: 'f' }),
    pretty: bool('Print the information in a human friendly format'),
  },
  arity: atLeast(1),
  completes: 'service',
  async run(ctx, f, refs) {
    if (f.pretty && f.format !== '') throw new CommandError('--format is incompatible with human friendly format');
    const pretty = f.pretty || f.format === 'pretty';
    const get = (ref: string) =>
      ctx.api.get<Service>(`/services/${encodeURIComponent(ref)}`, { insertDefaults: pretty });
    await inspectAll(ctx, refs, get, { format: f.format, pretty: pretty ? prettyService : undefined });
  },
});
