/** Nodes and tasks for tests of placement. */
import {
  Node,
  NodeAvailability,
  NodeDescription,
  NodeRole,
  NodeSpec,
  NodeState,
  NodeStatus,
  Placement,
  Task,
  TaskSpec,
  TaskState,
  TaskStatus,
} from '@swarmts/proto';
import { NodeInfo } from './node-info.js';

export interface NodeShape {
  readonly id: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly engineLabels?: Readonly<Record<string, string>>;
  readonly role?: NodeRole;
  readonly availability?: NodeAvailability;
  readonly state?: NodeState;
  readonly cpus?: number;
  readonly memoryBytes?: number;
  readonly addr?: string;
  readonly hostname?: string;
  /** Means to encrypt networks; '' = none. */
  readonly encryption?: string;
}

export function testNode(s: NodeShape): Node {
  return Node.create({
    id: s.id,
    spec: NodeSpec.create({
      annotations: { name: '', labels: s.labels ?? {} },
      role: s.role ?? NodeRole.WORKER,
      availability: s.availability ?? NodeAvailability.ACTIVE,
    }),
    certificateRole: s.role ?? NodeRole.WORKER,
    status: NodeStatus.create({ state: s.state ?? NodeState.NODE_READY, addr: s.addr ?? '192.0.2.1' }),
    description: NodeDescription.create({
      hostname: s.hostname ?? s.id,
      dataPathEncryption: s.encryption ?? '',
      platform: { architecture: 'x86_64', os: 'linux' },
      resources: { nanoCpus: (s.cpus ?? 4) * 1e9, memoryBytes: s.memoryBytes ?? 8e9, pids: 0, generic: [] },
      engine: { engineVersion: '0', labels: s.engineLabels ?? {}, plugins: [] },
    }),
  });
}

export const testNodeInfo = (s: NodeShape): NodeInfo => new NodeInfo(testNode(s));

export interface TaskShape {
  readonly id: string;
  readonly service?: string;
  readonly constraints?: readonly string[];
  readonly spread?: readonly string[];
  readonly maxReplicas?: number;
  readonly cpus?: number;
  readonly memoryBytes?: number;
  readonly nodeId?: string;
  readonly specVersion?: number;
}

export function testTask(s: TaskShape): Task {
  return Task.create({
    id: s.id,
    serviceId: s.service ?? 'web',
    slot: 1,
    nodeId: s.nodeId ?? '',
    specVersion: { index: s.specVersion ?? 1 },
    desiredState: TaskState.RUNNING,
    status: TaskStatus.create({ state: TaskState.PENDING }),
    spec: TaskSpec.create({
      placement: Placement.create({
        constraints: s.constraints ?? [],
        preferences: (s.spread ?? []).map((spreadDescriptor) => ({ spreadDescriptor })),
        maxReplicas: s.maxReplicas ?? 0,
      }),
      resources: {
        limits: undefined,
        reservations: { nanoCpus: (s.cpus ?? 0) * 1e9, memoryBytes: s.memoryBytes ?? 0, pids: 0, generic: [] },
        swapBytes: 0,
        hasSwap: false,
        memorySwappiness: 0,
        hasMemorySwappiness: false,
      },
    }),
  });
}
