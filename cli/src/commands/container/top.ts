/** `swarmts top`. */
import { atLeast, defineCommand } from '../../command.js';
import { alignTable } from '../../format/table.js';

export const command = defineCommand({
  synopsis: 'CONTAINER [ps OPTIONS]',
  flags: {},
  arity: atLeast(1),
  completes: 'container',
  interspersed: false,
  async run(ctx, _f, [ref = '', ...ps]) {
    const { Titles, Processes } = await ctx.api.get<{
      readonly Titles: readonly string[];
      readonly Processes: readonly (readonly string[])[];
    }>(`/containers/${encodeURIComponent(ref)}/top`, ps.length > 0 ? { ps_args: ps.join(' ') } : {});
    ctx.out.write(alignTable([Titles, ...Processes].map((row) => `${row.join('\t')}\n`).join('')));
  },
});
