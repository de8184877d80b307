/** Events of what containers use: networks that they join and leave, volumes that are mounted for them. Attributes are Docker's. Pure. */
import { type BuiltinNetwork, builtinNetworks } from '@swarmts/proto';
import type { ContainerRecord, ResolvedMount } from './container-record.js';
import type { EngineEvent } from './engine-api.js';
import { joinedNetworks } from './joined-networks.js';

export type UseEvent = Omit<EngineEvent, 'timeMs'>;

type NamedNetwork = Pick<BuiltinNetwork, 'id' | 'driver'> & { readonly name: string };

/** Of a network; with `attributes` what happens to it is about more than itself. */
export function networkEvent(
  action: string,
  { id, name, driver }: NamedNetwork,
  attributes: Readonly<Record<string, string>> = {},
): UseEvent {
  return { type: 'network', action, id, attributes: { ...attributes, name, type: driver } };
}

/** What a container joins and leaves when one record follows the other; undefined is one that does not run. */
export function networkChanges(
  before: ContainerRecord | undefined,
  after: ContainerRecord | undefined,
): readonly UseEvent[] {
  const [was, is] = [before, after].map((record) => (record ? networksOf(record) : []));
  const container = (before ?? after)?.id ?? '';
  const only = (all: readonly NamedNetwork[] = [], others: readonly NamedNetwork[] = []) =>
    all.filter((n) => !others.some((o) => o.id === n.id));
  return [
    ...only(is, was).map((n) => networkEvent('connect', n, { container })),
    ...only(was, is).map((n) => networkEvent('disconnect', n, { container })),
  ];
}

export function mounted(record: ContainerRecord): readonly UseEvent[] {
  return volumesOf(record).map(({ source, target, readOnly, propagation = '' }) => ({
    type: 'volume',
    action: 'mount',
    id: source,
    attributes: {
      container: record.id,
      destination: target,
      driver: 'local',
      propagation,
      'read/write': String(!readOnly),
    },
  }));
}

export function unmounted(record: ContainerRecord): readonly UseEvent[] {
  return volumesOf(record).map(({ source }) => ({
    type: 'volume',
    action: 'unmount',
    id: source,
    attributes: { container: record.id, driver: 'local' },
  }));
}

const volumesOf = ({ mounts }: ContainerRecord): readonly ResolvedMount[] => mounts.filter((m) => m.type === 'volume');

/** Those of its own: a container in the namespace of another one has none. */
function networksOf({ id, config, network }: ContainerRecord): readonly NamedNetwork[] {
  const { networkMode, networkContainer, networkNamespace } = config;
  if (networkContainer || networkNamespace) return [];
  if (networkMode !== 'local') return [builtinNetworks[networkMode]];
  return network ? joinedNetworks(id, network).map(({ driver = 'overlay', ...n }) => ({ ...n, driver })) : [];
}
