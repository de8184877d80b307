/** What takes room on the node that answers, one by one: `system df -v`. */
import { type Container, containerLayout, containerRow } from '../container/rows.js';
import type { Context } from '../context.js';
import { CommandError } from '../exit.js';
import { printRows, type Row, type RowLayout } from '../format/rows.js';
import { humanSize } from '../format/size.js';
import { type Image, imageLayout, imageRows } from '../image/rows.js';

/** Of what is of one kind; what is 0 is left out. */
export interface Usage<T> {
  readonly TotalCount?: number;
  readonly ActiveCount?: number;
  readonly TotalSize?: number;
  readonly Reclaimable?: number;
  readonly Items?: readonly T[];
}

interface VolumeUse {
  readonly Name: string;
  readonly UsageData?: { readonly RefCount: number; readonly Size: number };
}

export interface DiskUsage {
  readonly ImageUsage?: Usage<Image & { readonly Containers?: number; readonly SharedSize?: number }>;
  readonly ContainerUsage?: Usage<Container>;
  readonly VolumeUsage?: Usage<VolumeUse>;
  readonly BuildCacheUsage?: Usage<unknown>;
}

const imageTable: RowLayout = {
  ...imageLayout,
  table: `${imageLayout.table}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}`,
  headers: {
    ...imageLayout.headers,
    SharedSize: 'SHARED SIZE',
    UniqueSize: 'UNIQUE SIZE',
    Containers: 'CONTAINERS',
  },
};
const containerTable: RowLayout = {
  ...containerLayout,
  table: '{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}',
};
const volumeTable: RowLayout = {
  table: '{{.Name}}\t{{.Links}}\t{{.Size}}',
  headers: { Name: 'VOLUME NAME', Links: 'LINKS', Size: 'SIZE' },
  quiet: '{{.Name}}',
};
const cacheTable: RowLayout = {
  table: '{{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t{{.UsageCount}}\t{{.Shared}}',
  headers: {
    ID: 'CACHE ID',
    CacheType: 'CACHE TYPE',
    Size: 'SIZE',
    CreatedSince: 'CREATED',
    LastUsedSince: 'LAST USED',
    UsageCount: 'USAGE',
    Shared: 'SHARED',
  },
  quiet: '{{.ID}}',
};

/** Tables, or one JSON object with a list for each. */
export function printVerbose(ctx: Context, u: DiskUsage, format: string): void {
  const o = { trunc: true, nowMs: ctx.now() };
  const images = (u.ImageUsage?.Items ?? []).flatMap((i) => imageRows([i], o).map((r) => ({ ...r, ...shares(i) })));
  const containers = (u.ContainerUsage?.Items ?? []).map((c) => containerRow(c, o));
  const volumes = (u.VolumeUsage?.Items ?? []).map((v) => ({
    Name: v.Name,
    Links: String(v.UsageData?.RefCount ?? 0),
    Size: humanSize(v.UsageData?.Size ?? 0, 3),
  }));
  if (format === 'json') {
    ctx.out.write(`${JSON.stringify({ Images: images, Containers: containers, Volumes: volumes, BuildCache: [] })}\n`);
    return;
  }
  if (format !== '' && format !== 'table')
    throw new CommandError('the verbose form has tables alone, or --format json');
  const section = (title: string, layout: RowLayout, rows: readonly Row[]) => {
    ctx.out.write(`${title}\n\n`);
    printRows(ctx.out, layout, rows, { format: '' });
  };
  section('Images space usage:', imageTable, images);
  section('\nContainers space usage:', containerTable, containers);
  section('\nLocal Volumes space usage:', volumeTable, volumes);
  section('\nBuild cache usage: 0B', cacheTable, []);
}

function shares(i: { readonly Size?: number; readonly SharedSize?: number; readonly Containers?: number }): Row {
  const shared = Math.max(0, i.SharedSize ?? 0);
  return {
    SharedSize: humanSize(shared, 3),
    UniqueSize: humanSize(Math.max(0, (i.Size ?? 0) - shared), 3),
    Containers: String(i.Containers ?? 0),
  };
}
