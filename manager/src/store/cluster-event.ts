/** What of a change in the store is an event of the swarm, as Docker tells it. Pure. */
import { AutoscaleWish, type ClusterEvent, type Node, Service } from '@swarmts/proto';
import type { AnyChange } from './tables.js';

const WATCHED = ['service', 'node', 'secret', 'config', 'network'] as const;

/** undefined for what is none. */
export function eventOf(c: AnyChange): Pick<ClusterEvent, 'type' | 'action' | 'id' | 'attributes'> | undefined {
  const type = WATCHED.find((k) => k === c.kind);
  if (!type || isWishAlone(c)) return undefined;
  const name = nameOf(c);
  const attributes: Record<string, string> = { name };
  if (c.kind === 'service' && c.action === 'update') Object.assign(attributes, serviceChanges(c.object, c.old));
  if (c.kind === 'node' && c.action === 'update') Object.assign(attributes, nodeChanges(c.object, c.old));
  return { type, action: c.action, id: c.object.id, attributes };
}

/** What the autoscaler notes for the next leader, again and again, is nobody else's business. */
function isWishAlone(c: AnyChange): boolean {
  if (c.kind !== 'service' || c.action !== 'update' || !c.old) return false;
  const wishOf = ({ autoscaleStatus: a }: Service) => (a?.wish ? AutoscaleWish.encode(a.wish) : Buffer.alloc(0));
  const restOf = ({ autoscaleStatus: a, ...s }: Service) =>
    Service.encode({ ...s, meta: undefined, autoscaleStatus: a && { ...a, wish: undefined } });
  const isSame = (of: (s: Service) => Uint8Array, old: Service) => Buffer.from(of(c.object)).equals(of(old));
  return !isSame(wishOf, c.old) && isSame(restOf, c.old);
}

type Attributes = Readonly<Record<string, string>>;

const NODE_STATES: Readonly<Record<number, string>> = { 0: 'unknown', 1: 'down', 2: 'ready', 3: 'disconnected' };
const AVAILABILITIES: Readonly<Record<number, string>> = { 0: 'active', 1: 'pause', 2: 'drain' };
const ROLES: Readonly<Record<number, string>> = { 0: 'worker', 1: 'manager' };
const UPDATE_STATES: Readonly<Record<number, string>> = {
  0: 'unknown',
  1: 'updating',
  2: 'paused',
  3: 'completed',
  4: 'rollback_started',
  5: 'rollback_paused',
  6: 'rollback_completed',
};

function nodeChanges(now: Node, old: Node | undefined): Attributes {
  return {
    ...change('availability', AVAILABILITIES, now.spec?.availability, old?.spec?.availability),
    ...change('role', ROLES, now.certificateRole, old?.certificateRole),
    ...change('state', NODE_STATES, now.status?.state, old?.status?.state),
  };
}

function change(what: string, names: Readonly<Record<number, string>>, now = 0, old = 0): Attributes {
  return now === old ? {} : { [`${what}.old`]: names[old] ?? 'unknown', [`${what}.new`]: names[now] ?? 'unknown' };
}

function serviceChanges(now: Service, old: Service | undefined): Attributes {
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
  return { ...out, ...updateChange(now.updateStatus?.state, old?.updateStatus?.state) };
}

/** An update that begins has no state before. */
function updateChange(now: number | undefined, old: number | undefined): Attributes {
  if (now === undefined || now === old) return {};
  const before: Attributes = old === undefined ? {} : { 'updatestate.old': UPDATE_STATES[old] ?? 'unknown' };
  return { ...before, 'updatestate.new': UPDATE_STATES[now] ?? 'unknown' };
}

function nameOf(c: AnyChange): string {
  if (c.kind === 'node') return c.object.spec?.annotations?.name || (c.object.description?.hostname ?? '');
  if (c.kind === 'service' || c.kind === 'secret' || c.kind === 'config' || c.kind === 'network')
    return c.object.spec?.annotations?.name ?? '';
  return '';
}
