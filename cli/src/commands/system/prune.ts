/** `swarmts system prune`. */
import { bool, filters } from '../../args/flag.js';
import { defineCommand, noArguments } from '../../command.js';
import { confirmed } from '../../confirm.js';
import { CommandError } from '../../exit.js';
import {
  type Pruned,
  pruneBuildCache,
  pruneContainers,
  pruneImages,
  pruneNetworks,
  pruneVolumes,
  totalLine,
} from '../../prune.js';

export const command = defineCommand({
  synopsis: '',
  flags: {
    all: bool('Remove all unused images not just dangling ones', { short: 'a' }),
    filter: { ...filters('Provide filter values (e.g. "label=<key>=<value>")'), short: '' },
    force: bool('Do not prompt for confirmation', { short: 'f' }),
    volumes: bool('Prune anonymous volumes'),
  },
  arity: noArguments,
  async run(ctx, f) {
    if (f.volumes && f.filter.some((term) => term.startsWith('until='))) {
      throw new CommandError('ERROR: The "until" filter is not supported with "--volumes"');
    }
    if (!f.force && !(await confirmed(ctx, warning(f)))) return;
    const steps: (() => Promise<Pruned>)[] = [
      () => pruneContainers(ctx, f.filter),
      () => pruneNetworks(ctx, f.filter),
      ...(f.volumes ? [() => pruneVolumes(ctx, f.filter, false)] : []),
      () => pruneImages(ctx, f.filter, f.all),
      () => pruneBuildCache(ctx, f.filter, f.all),
    ];
    const all: Pruned[] = [];
    // What a later step may remove, an earlier one has freed.
    for (const step of steps) {
      const pruned = await step();
      ctx.out.write(pruned.report);
      all.push(pruned);
    }
    ctx.out.write(totalLine(...all));
  },
});

function warning(f: { readonly all: boolean; readonly volumes: boolean; readonly filter: readonly string[] }): string {
  const what = [
    'all stopped containers',
    'all networks not used by at least one container',
    ...(f.volumes ? ['all anonymous volumes not used by at least one container'] : []),
    f.all ? 'all images without at least one container associated to them' : 'all dangling images',
    f.all ? 'all build cache' : 'unused build cache',
  ];
  const list = (items: readonly string[]) => items.map((i) => `  - ${i}\n`).join('');
  const filtered = f.filter.length > 0 ? `\n  Items to be pruned will be filtered with:\n${list(f.filter)}` : '';
  return `WARNING! This will remove:\n${list(what)}${filtered}\n`;
}
