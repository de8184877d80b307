/** `swarmts rmi`. */
import { bool } from '../../args/flag.js';
import { atLeast, defineCommand } from '../../command.js';
import { forEachTarget } from '../../exit.js';

export const command = defineCommand({
  synopsis: 'IMAGE [IMAGE...]',
  flags: {
    force: bool('Force removal of the image', { short: 'f' }),
    'no-prune': bool('Do not delete untagged parents'),
  },
  arity: atLeast(1),
  completes: 'image',
  async run(ctx, f, refs) {
    await forEachTarget(refs, async (ref) => {
      const records = await ctx.api.json<{ readonly Untagged?: string; readonly Deleted?: string }[] | undefined>(
        'DELETE',
        `/images/${ref}`,
        { query: { force: f.force, noprune: f['no-prune'] } },
      );
      for (const r of records ?? []) {
        ctx.out.write(r.Deleted ? `Deleted: ${r.Deleted}\n` : `Untagged: ${r.Untagged ?? ''}\n`);
      }
    });
  },
});
