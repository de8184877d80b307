/** What of a change in the store is an event of the swarm, as Docker tells it. Pure. */
import type { ClusterEvent, Service } from '@swarmts/proto';
import type { AnyChange } from './tables.js';

const WATCHED = ['service', 'node', 'secret', 'config', 'network'] as const;

/** undefined for what is none. */
export function eventOf(c: AnyChange): Pick<ClusterEvent, 'type' | 'action' | 'id' | 'attributes'> | undefined {
  const type = WATCHED.find((k) => k === c.kind);
  if (!type) return undefined;
  const name = nameOf(c);
  const attributes: Record<string, string> = { name };
  if (c.kind === 'service' && c.action === 'update') Object.assign(attributes, serviceChanges(c.object, c.old));
  if (c.kind === 'node' && c.action === 'update') {
    if (c.old?.status?.state !== c.object.status?.state) {
      attributes['state.old'] = STATE_NAMES[c.old?.status?.state ?? 0] ?? 'unknown';
      attributes['state.new'] = STATE_NAMES[c.object.status?.state ?? 0] ?? 'unknown';
    }
  }
  return { type, action: c.action, id: c.object.id, attributes };
}

const STATE_NAMES: Readonly<Record<number, string>> = { 0: 'unknown', 1: 'down', 2: 'ready', 3: 'disconnected' };

function serviceChanges(now: Service, old: Service | undefined): Readonly<Record<string, string>> {
  const out: Record<string, string> = {};
  const replicas = (s: Service | undefined) => s?.spec?.mode?.replicated?.replicas;
  if (replicas(now) !== replicas(old)) {
    out['replicas.old'] = String(replicas(old) ?? '');
    out['replicas.new'] = String(replicas(now) ?? '');
  }
  const image = (s: Service | undefined) => s?.spec?.task?.container?.image;
  if (image(now) !== image(old)) {
    out['image.old'] = image(old) ?? '';
    out['image.new'] = image(now) ?? '';
  }
  return out;
}

function nameOf(c: AnyChange): string {
  if (c.kind === 'node') return c.object.description?.hostname ?? '';
  if (c.kind === 'service' || c.kind === 'secret' || c.kind === 'config' || c.kind === 'network')
    return c.object.spec?.annotations?.name ?? '';
  return '';
}
