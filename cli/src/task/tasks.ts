/**
 * Task lists: the names of tasks and nodes, Docker's order (slot by slot, the newest first) and its tree of earlier
 * attempts. Pure apart from `loadNames`, which asks the daemon for what ids mean.
 */
import type { Context } from '../context.js';
import type { Node, Service, Task } from '../engine-types.js';
import { ago } from '../format/duration.js';
import { compareNatural } from '../format/natural.js';
import { isTableFormat, type Row, type RowLayout } from '../format/rows.js';
import { familiarImage, portsText } from '../service/describe.js';

export const taskLayout: RowLayout = {
  table: '{{.ID}}\t{{.Name}}\t{{.Image}}\t{{.Node}}\t{{.DesiredState}}\t{{.CurrentState}}\t{{.Error}}\t{{.Ports}}',
  headers: {
    ID: 'ID',
    Name: 'NAME',
    Image: 'IMAGE',
    Node: 'NODE',
    DesiredState: 'DESIRED STATE',
    CurrentState: 'CURRENT STATE',
    Error: 'ERROR',
    Ports: 'PORTS',
  },
  quiet: '{{.ID}}',
};

const SHORT_ID = 12;
const MAX_ERROR_LENGTH = 30;

export interface Names {
  service(id: string): string;
  node(id: string): string;
}

export const rawNames: Names = { service: (id) => id, node: (id) => id };

/** Both lists in two requests, however many tasks there are. What is gone keeps its id. */
export async function loadNames(ctx: Context): Promise<Names> {
  const [services, nodes] = await Promise.all([ctx.api.get<Service[]>('/services'), ctx.api.get<Node[]>('/nodes')]);
  const serviceNames = new Map(services.map((s) => [s.ID, s.Spec.Name ?? s.ID]));
  const nodeNames = new Map(nodes.map((n) => [n.ID, n.Spec.Name || n.Description?.Hostname || n.ID]));
  return { service: (id) => serviceNames.get(id) ?? id, node: (id) => nodeNames.get(id) ?? id };
}

export interface TaskRowOptions {
  readonly trunc: boolean;
  readonly format: string;
  readonly nowMs: number;
}

export function taskRows(tasks: readonly Task[], names: Names, o: TaskRowOptions): Row[] {
  const named = tasks.map((task) => ({ task, name: taskName(task, names) }));
  named.sort(
    (a, b) => compareNatural(a.name, b.name) || (b.task.CreatedAt ?? '').localeCompare(a.task.CreatedAt ?? ''),
  );
  let previous = '';
  return named.map(({ task, name }) => {
    const indented = isTableFormat(o.format) && name === previous ? ` \\_ ${name}` : name;
    previous = name;
    return taskRow(task, indented, names, o);
  });
}

export function taskName(t: Task, names: Names): string {
  return `${names.service(t.ServiceID ?? '')}.${t.Slot ? t.Slot : (t.NodeID ?? '')}`;
}

function taskRow(t: Task, name: string, names: Names, o: TaskRowOptions): Row {
  const image = t.Spec?.ContainerSpec?.Image ?? '';
  const state = capitalized(t.Status?.State ?? '');
  const when = ago(t.Status?.Timestamp, o.nowMs).toLowerCase();
  return {
    ID: o.trunc ? t.ID.slice(0, SHORT_ID) : t.ID,
    Name: name,
    Image: o.trunc ? familiarImage(image) : image,
    Node: t.NodeID ? names.node(t.NodeID) : '',
    DesiredState: capitalized(t.DesiredState ?? ''),
    CurrentState: when === '' ? state : `${state} ${when}`,
    Error: errorText(t.Status?.Err ?? '', o.trunc),
    Ports: portsText(t.Status?.PortStatus?.Ports),
  };
}

function errorText(err: string, trunc: boolean): string {
  if (err === '') return '';
  const cut = trunc && err.length > MAX_ERROR_LENGTH ? `${err.slice(0, MAX_ERROR_LENGTH - 1)}…` : err;
  return JSON.stringify(cut);
}

const capitalized = (s: string): string => s.charAt(0).toUpperCase() + s.slice(1);
