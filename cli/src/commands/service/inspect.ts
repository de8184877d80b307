/** `swarmts service inspect`. */
import { bool, text } from '../../args/flag.js';
import { atLeast, defineCommand } from '../../command.js';
import type { Context } from '../../context.js';
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
    const get = async (ref: string) => {
      const service = await ctx.api.get<Service>(`/services/${encodeURIComponent(ref)}`, { insertDefaults: pretty });
      return pretty ? await withNetworkNames(ctx, service) : service;
    };
    await inspectAll(ctx, refs, get, { format: f.format, pretty: pretty ? prettyService : undefined });
  },
});

/** For people; an id stays where a network is gone. */
async function withNetworkNames(ctx: Context, s: Service): Promise<Service> {
  const task = s.Spec.TaskTemplate;
  const Networks = await Promise.all(
    (task?.Networks ?? s.Spec.Networks ?? []).map(async (n) => {
      const path = `/networks/${encodeURIComponent(n.Target ?? '')}`;
      const found = await ctx.api.find<{ readonly Name: string }>(path, { scope: 'swarm' });
      return { ...n, Target: found?.Name ?? n.Target ?? '' };
    }),
  );
  return { ...s, Spec: { ...s.Spec, TaskTemplate: { ...task, Networks } } };
}
