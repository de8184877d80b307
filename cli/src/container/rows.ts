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
  readonly SizeRootFs?: number;
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
    Size: sizeText(c),
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

function sizeText(c: Container): string {
  const own = humanSize(c.SizeRw ?? 0, 3);
  return c.SizeRootFs ? `${own} (virtual ${humanSize(c.SizeRootFs, 3)})` : own;
}

type Port = NonNullable<Container['Ports']>[number];

/** Neighbours are one range: "0.0.0.0:8000-8002->8000-8002/tcp". Ports that are published under another number stand alone, at the end. */
function portsText(ports: readonly Port[]): string {
  const sorted = [...ports].sort((a, b) => (a.PrivatePort ?? 0) - (b.PrivatePort ?? 0) || order(a.IP, b.IP));
  const moved = sorted.filter((p) => p.PublicPort && p.PublicPort !== p.PrivatePort);
  const ranges = new Map<string, { readonly port: Port; first: number; last: number }[]>();
  for (const port of sorted.filter((p) => !moved.includes(p))) {
    const number = port.PrivatePort ?? 0;
    const key = `${port.PublicPort ? hostOf(port) : ''} ${port.Type}`;
    const known = ranges.get(key) ?? [];
    const last = known.at(-1);
    if (last && number <= last.last + 1) last.last = number;
    else known.push({ port, first: number, last: number });
    ranges.set(key, known);
  }
  const texts = [...ranges.values()].flat().map(({ port, first, last }) => {
    const numbers = first === last ? String(first) : `${first}-${last}`;
    return `${port.PublicPort ? `${hostOf(port)}:${numbers}->` : ''}${numbers}/${port.Type ?? 'tcp'}`;
  });
  const others = moved.map((p) => `${hostOf(p)}:${p.PublicPort}->${p.PrivatePort}/${p.Type ?? 'tcp'}`);
  return [...texts, ...others].join(', ');
}

function hostOf(p: Port): string {
  const address = p.IP || '0.0.0.0';
  return address.includes(':') ? `[${address}]` : address;
}

function order(a = '', b = ''): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
