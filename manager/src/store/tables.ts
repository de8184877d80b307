/** The tables of the store: which kinds of object there are, and by what each is indexed. */
import {
  Cluster,
  type Codec,
  Config,
  Network,
  Node,
  Resource,
  Secret,
  Service,
  StoreAction,
  type StoreActionKind,
  Task,
  Volume,
} from '@swarmts/proto';

export interface Tables {
  readonly cluster: Cluster;
  readonly node: Node;
  readonly service: Service;
  readonly task: Task;
  readonly network: Network;
  readonly secret: Secret;
  readonly config: Config;
  readonly volume: Volume;
  readonly resource: Resource;
}

export type Kind = keyof Tables;

export interface TableDefinition<T> {
  readonly codec: Codec<T>;
  /** Secondary indexes by name. An object without a key, or with '', is not in them. */
  readonly indexes: Readonly<Record<string, (o: T) => IndexKeys>>;
}

export type IndexKeys = string | readonly string[];

/** Index `port` of services has a key for each port that they publish. */
export function portKey(p: { readonly protocol: number; readonly publishedPort: number }): string {
  return `${p.protocol}/${p.publishedPort}`;
}

export const tables: { readonly [K in Kind]: TableDefinition<Tables[K]> } = {
  cluster: { codec: Cluster, indexes: {} },
  node: { codec: Node, indexes: { hostname: (n) => n.description?.hostname ?? '' } },
  service: {
    codec: Service,
    indexes: {
      name: (s) => s.spec?.annotations?.name ?? '',
      port: (s) => (s.endpoint?.ports ?? []).filter((p) => p.publishedPort !== 0).map(portKey),
    },
  },
  task: {
    codec: Task,
    indexes: {
      service: (t) => t.serviceId,
      node: (t) => t.nodeId,
      slot: (t) => (t.slot > 0 ? `${t.serviceId}.${t.slot}` : `${t.serviceId}.${t.nodeId}`),
    },
  },
  network: { codec: Network, indexes: { name: (n) => n.spec?.annotations?.name ?? '' } },
  secret: { codec: Secret, indexes: { name: (s) => s.spec?.annotations?.name ?? '' } },
  config: { codec: Config, indexes: { name: (c) => c.spec?.annotations?.name ?? '' } },
  volume: { codec: Volume, indexes: { name: (v) => v.spec?.annotations?.name ?? '' } },
  resource: { codec: Resource, indexes: { kind: (r) => r.kind } },
};

export const kinds = Object.keys(tables) as readonly Kind[];

/** A change of one object, as committed. */
export interface Change<K extends Kind = Kind> {
  readonly kind: K;
  readonly action: 'create' | 'update' | 'remove';
  /** The new object; for a removal the one that is gone. */
  readonly object: Tables[K];
  readonly old: Tables[K] | undefined;
}

/** A change narrowed to its kind. */
export type AnyChange = { [K in Kind]: Change<K> }[Kind];

export function actionOf(kind: Kind, object: Tables[Kind], action: StoreActionKind): StoreAction {
  return StoreAction.create({ kind: action, [kind]: object });
}

/** The kind and object of an action; undefined for one of a newer release. */
export function objectOf(a: StoreAction): { readonly kind: Kind; readonly object: Tables[Kind] } | undefined {
  for (const kind of kinds) {
    const object = a[kind];
    if (object !== undefined) return { kind, object };
  }
  return undefined;
}
