/**
 * How operations travel between managers (ADR 4): JSON, in which every message of the store is its protobuf bytes. So a manager of
 * another release finds defaults in the place of fields that the sender does not know, and keeps those that it does
 * not know itself. What is beside messages in arguments and results has to be optional once a release had it not.
 */
import {
  ClientCertificateRecord,
  Cluster,
  ClusterSpec,
  Config,
  ConfigSpec,
  fromJson,
  Network,
  NetworkSpec,
  Node,
  NodeSpec,
  Secret,
  SecretSpec,
  Service,
  ServiceSpec,
  Task,
  toJson,
  Volume,
  VolumeSpec,
} from '@swarmts/proto';
import type { OperationName } from './operations.js';

interface MessageCodec {
  encode(message: never): Uint8Array;
  decode(bytes: Uint8Array): unknown;
}

/** A message, a list, or an object in some of whose fields messages are. */
type Shape = MessageCodec | { readonly each: Shape } | { readonly fields: Readonly<Record<string, Shape>> };

interface Wire {
  readonly args?: Shape;
  readonly result?: Shape;
}

const plain: Wire = {};
const takes = (spec: MessageCodec): Wire => ({ args: { fields: { spec } } });
const gives = (result: Shape): Wire => ({ result });
const withService: Shape = { fields: { service: Service } };
const onNodes: Shape = { each: { fields: { node: Node } } };

const wires: Readonly<Record<OperationName, Wire>> = {
  getCluster: gives(Cluster),
  updateCluster: takes(ClusterSpec),
  getUnlockKey: plain,
  listClientCertificates: gives({ each: ClientCertificateRecord }),
  revokeClientCertificates: gives({ each: ClientCertificateRecord }),
  listNodes: gives({ each: Node }),
  getNode: gives(Node),
  updateNode: takes(NodeSpec),
  removeNode: plain,
  managerLeaves: plain,
  listServices: gives({ each: withService }),
  getService: gives(withService),
  createService: takes(ServiceSpec),
  updateService: takes(ServiceSpec),
  removeService: plain,
  explainService: gives({ fields: { nodes: onNodes } }),
  explainTask: gives({ fields: { task: Task, nodes: onNodes } }),
  planService: takes(ServiceSpec),
  rebalanceService: plain,
  describeSchedule: plain,
  listTasks: gives({ each: Task }),
  getTask: gives(Task),
  listSecrets: gives({ each: Secret }),
  getSecret: gives(Secret),
  createSecret: takes(SecretSpec),
  updateSecret: takes(SecretSpec),
  removeSecret: plain,
  listConfigs: gives({ each: Config }),
  getConfig: gives(Config),
  createConfig: takes(ConfigSpec),
  updateConfig: takes(ConfigSpec),
  removeConfig: plain,
  addPayloadVersion: plain,
  listVolumes: gives({ each: Volume }),
  getVolume: gives(Volume),
  createVolume: { ...takes(VolumeSpec), result: Volume },
  updateVolume: plain,
  removeVolume: plain,
  listNetworks: gives({ each: Network }),
  getNetwork: gives(Network),
  createNetwork: takes(NetworkSpec),
  removeNetwork: plain,
  attachContainer: plain,
  renameContainer: plain,
  detachContainer: plain,
};

/** What is sent for an operation's arguments or result. Undefined is nothing. */
export function toWire(operation: string, part: keyof Wire, value: unknown): Uint8Array {
  return value === undefined ? new Uint8Array(0) : Buffer.from(toJson(pack(value, shapeOf(operation, part))));
}

/** Throws SwarmtsError 'corrupt' for bytes that are no such message. */
export function fromWire(operation: string, part: keyof Wire, bytes: Uint8Array): unknown {
  if (bytes.length === 0) return undefined;
  return unpack(fromJson(Buffer.from(bytes).toString()), shapeOf(operation, part));
}

/** Operations of the CA and of Raft are not in the table: theirs are plain. */
function shapeOf(operation: string, part: keyof Wire): Shape | undefined {
  return Object.hasOwn(wires, operation) ? wires[operation as OperationName][part] : undefined;
}

// The table says which values are messages; only here they are taken for them.
function pack(value: unknown, shape: Shape | undefined): unknown {
  return convert(value, shape, (codec, message) => codec.encode(message as never));
}

function unpack(value: unknown, shape: Shape | undefined): unknown {
  return convert(value, shape, (codec, bytes) => (bytes instanceof Uint8Array ? codec.decode(bytes) : bytes));
}

function convert(
  value: unknown,
  shape: Shape | undefined,
  change: (codec: MessageCodec, value: unknown) => unknown,
): unknown {
  if (shape === undefined || value === undefined || value === null) return value;
  if ('decode' in shape) return change(shape, value);
  if ('each' in shape) return Array.isArray(value) ? value.map((v) => convert(v, shape.each, change)) : value;
  if (typeof value !== 'object') return value;
  const changed = Object.entries(shape.fields).map(
    ([name, field]) => [name, convert(Reflect.get(value, name), field, change)] as const,
  );
  return { ...value, ...Object.fromEntries(changed) };
}
