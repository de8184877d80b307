/** `swarmts volume create`. */
import { list, text } from '../../args/flag.js';
import { between, defineCommand } from '../../command.js';
import { parsePair } from '../../service/flag-values.js';

export const command = defineCommand({
  synopsis: '[VOLUME]',
  flags: {
    driver: text('Specify volume driver name', { short: 'd', initial: 'local' }),
    label: list('list', 'Set metadata for a volume', parsePair),
    opt: list('map', 'Set driver specific options', parsePair, { short: 'o' }),
  },
  arity: between(0, 1),
  async run(ctx, f, [name]) {
    const volume = await ctx.api.post<{ readonly Name: string }>('/volumes/create', {
      Name: name ?? '',
      Driver: f.driver,
      DriverOpts: Object.fromEntries(f.opt),
      Labels: Object.fromEntries(f.label),
    });
    ctx.out.write(`${volume.Name}\n`);
  },
});
