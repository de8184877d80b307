/** `swarmts system df`. */
import { bool, text } from '../../args/flag.js';
import { defineCommand, noArguments } from '../../command.js';
import { printRows, type Row } from '../../format/rows.js';
import { humanSize } from '../../format/size.js';
import { type DiskUsage, printVerbose, type Usage } from '../../system/disk-usage.js';

const layout = {
  table: '{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}',
  headers: { Type: 'TYPE', TotalCount: 'TOTAL', Active: 'ACTIVE', Size: 'SIZE', Reclaimable: 'RECLAIMABLE' },
  quiet: '{{.Type}}',
};

export const command = defineCommand({
  synopsis: '',
  flags: {
    format: text("Format output using a custom template: 'table', 'table TEMPLATE', 'json' or a Go template"),
    verbose: bool('Show detailed information on space usage', { short: 'v' }),
  },
  arity: noArguments,
  async run(ctx, f) {
    const u = await ctx.api.get<DiskUsage>('/system/df', { verbose: true });
    if (f.verbose) return printVerbose(ctx, u, f.format);
    const rows = [
      row('Images', u.ImageUsage),
      row('Containers', u.ContainerUsage),
      row('Local Volumes', u.VolumeUsage),
      row('Build Cache', u.BuildCacheUsage),
    ];
    printRows(ctx.out, layout, rows, f);
  },
});

function row(type: string, u: Usage<unknown> | undefined): Row {
  const { TotalCount = 0, ActiveCount = 0, TotalSize = 0, Reclaimable = 0 } = u ?? {};
  const share = TotalSize > 0 ? ` (${Math.floor((Reclaimable / TotalSize) * 100)}%)` : '';
  return {
    Type: type,
    TotalCount: String(TotalCount),
    Active: String(ActiveCount),
    Size: humanSize(TotalSize),
    Reclaimable: `${humanSize(Reclaimable)}${share}`,
  };
}
