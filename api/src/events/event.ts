/** What happened, as the API tells it: on this node, or in the swarm. */
import { accepts, acceptsLabels, type FilterArgs } from '../filters.js';
import { appendField } from '../json/write.js';
import type { EventFormat } from './event-format.js';

export interface Event {
  readonly scope: 'local' | 'swarm';
  readonly type: string;
  readonly action: string;
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** Since the epoch; no two events of one scope have the same. */
  readonly timeNs: bigint;
}

const SUBJECTS = ['container', 'image', 'volume', 'network', 'service', 'node', 'secret', 'config', 'daemon', 'plugin'];
export const EVENT_FILTERS = ['type', 'event', 'label', 'scope', ...SUBJECTS];

export function matchesFilters(e: Event, filters: FilterArgs): boolean {
  if (filters.size === 0) return true;
  const isSubject = (type: string) =>
    accepts(filters, type, (v) => (type === 'image' ? isOfImage(e, v) : isOf(e, type, v)));
  return (
    accepts(filters, 'type', (v) => e.type === v) &&
    accepts(filters, 'event', (v) => e.action === v || e.action.startsWith(`${v}:`)) &&
    accepts(filters, 'scope', (v) => e.scope === v) &&
    SUBJECTS.every(isSubject) &&
    acceptsLabels(filters, 'label', e.attributes)
  );
}

function isOf(e: Event, type: string, ref: string): boolean {
  return e.type === type && (e.id.startsWith(ref) || (e.attributes.name ?? '').startsWith(ref));
}

/** What happens to containers is of their image as well; a name without a tag is meant for all tags. */
function isOfImage(e: Event, ref: string): boolean {
  if (e.type !== 'image' && e.type !== 'container') return false;
  const names = e.type === 'image' ? [e.id, e.attributes.name ?? ''] : [e.attributes.image ?? ''];
  return names.some((n) => n === ref || n.replace(/:[^/:]*$/, '') === ref);
}

/** As a line of the stream. */
export function eventLine(e: Event, form: EventFormat['form']): string {
  const event = {
    ...(form === 'old' ? oldFields(e) : {}),
    Type: e.type,
    Action: e.action,
    Actor: { ID: e.id, Attributes: e.attributes },
    scope: e.scope,
    time: Number(e.timeNs / 1_000_000_000n),
  };
  // Beyond what a double holds exactly, and the last digits tell events apart.
  return `${appendField(JSON.stringify(event), 'timeNano', String(e.timeNs))}\n`;
}

/** Of the time when events were those of containers alone. */
function oldFields({ type, action, id, attributes }: Event): Readonly<Record<string, string>> {
  if (type !== 'container' && type !== 'image') return {};
  const { image } = attributes;
  return type === 'container' && image !== undefined ? { status: action, id, from: image } : { status: action, id };
}
