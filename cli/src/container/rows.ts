/** Containers of this node as `ps` lists them. Pure. */
import { ago } from '../format/duration.js';
import type { Row, RowLayout } from '../format/rows.js';
import { humanSize } from '../format/size.js';
import { familiarImage } from '../service/describe.js';

export interface Container {
  readonly Id: string;
  readonly Names?: readonly string[] | null;
  readonly Image?: string;
  readonly Command?: string;
  readonly Created?: number;
  readonly Ports?:
    | readonly {
        readonly IP?: string;
        readonly PrivatePort?: number;
        readonly PublicPort?: number;
        readonly Type?: string;
      }[]
    | null;
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly State?: string;
  readonly Status?: string;
  readonly Mounts?: readonly { readonly Name?: string; readonly Source?: string }[] | null;
  readonly NetworkSettings?: { readonly Networks?: Readonly<Record<string, unknown>> | null };
  readonly SizeRw?: number;
}

export const containerLayout: RowLayout = {
  table: '{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}',
  headers: {
    ID: 'CONTAINER ID',
    Image: 'IMAGE',
    Command: 'COMMAND',
    CreatedAt: 'CREATED AT',
    RunningFor: 'CREATED',
    Ports: 'PORTS',
    State: 'STATE',
    Status: 'STATUS',
    Size: 'SIZE',
    Names: 'NAMES',
    Labels: 'LABELS',
    Mounts: 'MOUNTS',
    LocalVolumes: 'LOCAL VOLUMES',
    Networks: 'NETWORKS',
    Label: (name: unknown) => String(name),
  },
  quiet: '{{.ID}}',
};

const SHORT_ID = 12;
const MAX_COMMAND_LENGTH = 20;

export function containerRow(c: Container, o: { readonly trunc: boolean; readonly nowMs: number }): Row {
  const command = c.Command ?? '';
  const cut = o.trunc && command.length > MAX_COMMAND_LENGTH ? `${command.slice(0, MAX_COMMAND_LENGTH - 1)}…` : command;
  const created = (c.Created ?? 0) * 1000;
  const labels = c.Labels ?? {};
  const mounts = (c.Mounts ?? []).map((m) => m.Name || m.Source || '');
  return {
    ID: o.trunc ? c.Id.slice(0, SHORT_ID) : c.Id,
    Image: o.trunc ? familiarImage(c.Image ?? '') : (c.Image ?? ''),
    Command: JSON.stringify(cut),
    CreatedAt: new Date(created)
      .toISOString()
      .replace('T', ' ')
      .replace(/\.\d+Z$/, ' +0000 UTC'),
    RunningFor: ago(created, o.nowMs),
    Ports: portsText(c.Ports ?? []),
    State: c.State ?? '',
    Status: c.Status ?? '',
    Size: humanSize(c.SizeRw ?? 0, 3),
    Names: (c.Names ?? []).map((n) => n.replace(/^\//, '')).join(','),
    Labels: Object.entries(labels)
      .map(([k, v]) => `${k}=${v}`)
      .sort()
      .join(','),
    Mounts: mounts.join(','),
    LocalVolumes: String((c.Mounts ?? []).filter((m) => m.Name).length),
    Networks: Object.keys(c.NetworkSettings?.Networks ?? {}).join(','),
    Label: (name: unknown) => labels[String(name)] ?? '',
  };
}

function portsText(ports: NonNullable<Container['Ports']>): string {
  return ports
    .map((p) => {
      const target = `${p.PrivatePort ?? 0}/${p.Type ?? 'tcp'}`;
      return p.PublicPort ? `${p.IP || '0.0.0.0'}:${p.PublicPort}->${target}` : target;
    })
    .sort()
    .join(', ');
}
