/** `swarmts volume ls`. */
import { bool, filters, text } from '../../args/flag.js';
import { defineCommand, noArguments } from '../../command.js';
import { compareNatural } from '../../format/natural.js';
import { printRows, type RowLayout } from '../../format/rows.js';
import { filterQuery } from '../../http/filters.js';

interface Volume {
  readonly Name: string;
  readonly Driver?: string;
  readonly Mountpoint?: string;
  readonly Scope?: string;
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly ClusterVolume?: {
    readonly Spec?: { readonly Group?: string; readonly Availability?: string };
    readonly Info?: { readonly VolumeID?: string };
    readonly PublishStatus?: readonly object[];
  };
}

const layout: RowLayout = {
  table: '{{.Driver}}\t{{.Name}}',
  headers: {
    Driver: 'DRIVER',
    Name: 'VOLUME NAME',
    Mountpoint: 'MOUNTPOINT',
    Scope: 'SCOPE',
    Labels: 'LABELS',
    Label: (name: unknown) => String(name),
  },
  quiet: '{{.Name}}',
};

const clusterLayout: RowLayout = {
  table: '{{.Name}}\t{{.Group}}\t{{.Driver}}\t{{.Availability}}\t{{.Status}}',
  headers: {
    ...layout.headers,
    Group: 'GROUP',
    Availability: 'AVAILABILITY',
    Status: 'STATUS',
  },
  quiet: '{{.Name}}',
};

export const command = defineCommand({
  synopsis: '',
  flags: {
    cluster: bool('Display only cluster volumes, and use cluster volume list formatting'),
    filter: filters("Provide filter values (e.g. 'dangling=true')"),
    format: text("Format output using a custom template: 'table', 'table TEMPLATE', 'json' or a Go template"),
    quiet: bool('Only display volume names', { short: 'q' }),
  },
  arity: noArguments,
  async run(ctx, f) {
    const answer = await ctx.api.get<{ readonly Volumes?: Volume[] | null }>('/volumes', {
      filters: filterQuery(f.filter),
    });
    const rows = (answer.Volumes ?? [])
      .filter((v) => !f.cluster || v.ClusterVolume)
      .toSorted((a, b) => compareNatural(a.Name, b.Name))
      .map((v) => ({
        Driver: v.Driver ?? '',
        Name: v.Name,
        Mountpoint: v.Mountpoint ?? '',
        Scope: v.Scope ?? '',
        Labels: Object.entries(v.Labels ?? {})
          .map(([k, value]) => `${k}=${value}`)
          .join(','),
        Label: (name: unknown) => v.Labels?.[String(name)] ?? '',
        Group: v.ClusterVolume ? (v.ClusterVolume.Spec?.Group ?? '') : 'N/A',
        Availability: v.ClusterVolume?.Spec?.Availability ?? 'N/A',
        Status: statusOf(v),
      }));
    printRows(ctx.out, f.cluster ? clusterLayout : layout, rows, f);
  },
});

function statusOf({ ClusterVolume: volume }: Volume): string {
  if (!volume) return 'N/A';
  if (!volume.Info?.VolumeID) return 'pending creation';
  const nodes = volume.PublishStatus?.length ?? 0;
  if (nodes === 0) return 'created';
  return `in use (${nodes} node${nodes === 1 ? '' : 's'})`;
}
