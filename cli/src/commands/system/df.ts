/** `swarmts system df`. */
import { bool, text } from '../../args/flag.js';
import { defineCommand, noArguments } from '../../command.js';
import { printRows, type Row } from '../../format/rows.js';
import { humanSize } from '../../format/size.js';
import { type DiskUsage, printVerbose } from '../../system/disk-usage.js';

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
    const u = await ctx.api.get<DiskUsage>('/system/df');
    if (f.verbose) return printVerbose(ctx, u, f.format);
    const sizes = (list: readonly number[]) => list.reduce((a, b) => a + b, 0);
    const images = u.Images ?? [];
    const usedImages = images.filter((i) => (i.Containers ?? 0) > 0);
    const containers = (u.Containers ?? []).map((c) => ({ size: c.SizeRw ?? 0, active: c.State === 'running' }));
    const volumes = (u.Volumes ?? []).map((v) => ({
      size: v.UsageData?.Size ?? 0,
      active: (v.UsageData?.RefCount ?? 0) > 0,
    }));
    const layers = u.LayersSize ?? 0;
    const rows = [
      row(
        'Images',
        images.length,
        usedImages.length,
        layers,
        layers - Math.min(layers, sizes(usedImages.map((i) => i.Size ?? 0))),
      ),
      rowOf('Containers', containers),
      rowOf('Local Volumes', volumes),
      row('Build Cache', 0, 0, 0, 0),
    ];
    printRows(ctx.out, layout, rows, f);
  },
});

function rowOf(type: string, list: readonly { readonly size: number; readonly active: boolean }[]): Row {
  const total = list.reduce((n, x) => n + x.size, 0);
  const idle = list.reduce((n, x) => (x.active ? n : n + x.size), 0);
  return row(type, list.length, list.filter((x) => x.active).length, total, idle);
}

function row(type: string, total: number, active: number, bytes: number, reclaimable: number): Row {
  const share = bytes > 0 ? ` (${Math.floor((reclaimable / bytes) * 100)}%)` : '';
  return {
    Type: type,
    TotalCount: String(total),
    Active: String(active),
    Size: humanSize(bytes),
    Reclaimable: `${humanSize(reclaimable)}${share}`,
  };
}
