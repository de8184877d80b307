/** A manager for a benchmark in a process of its own: takes its order from the parent, and tells what came of it. */
import { silentLogger, systemClock } from '@swarmts/lib';
import { Credentials, Manager, newJoinToken, noVolumePlugins } from '@swarmts/manager';
import { Cluster, ClusterSpec, Node, NodeRole, NodeSpec, NodeState, NodeStatus, RootCa } from '@swarmts/proto';
import type { ManagerOrder } from './manager-process.js';

export const ADDRESS = '127.0.0.1:23770';
const DATA_KEY = new Uint8Array(32);

/** Runs `work` with the order that the parent sends, and sends the result back. */
export function serveOrder(work: (order: ManagerOrder) => Promise<unknown>): void {
  process.once('message', (order: ManagerOrder) => {
    work(order).then(
      (result) => process.send?.(result),
      (e: unknown) => {
        process.stderr.write(`manager: ${e instanceof Error ? e.stack : e}\n`);
        process.exit(1);
      },
    );
  });
}

/** The leader of a cluster of its own, which has the nodes of the order. */
export async function startManager(order: ManagerOrder, workerOf: (id: string) => Node): Promise<Manager> {
  const { files, rootKeyPem } = order;
  const manager = await Manager.start({
    dir: order.dir,
    listenAddr: ADDRESS,
    advertiseAddr: ADDRESS,
    raftId: 1,
    credentials: new Credentials(files),
    dataKeys: () => [DATA_KEY],
    clock: systemClock,
    random: Math.random,
    log: silentLogger,
    snapshotEntries: 10_000,
    bootstrap: { cluster: clusterOf(order, rootKeyPem), node: nodeOf(order.managerId, NodeRole.MANAGER) },
    onFatal: (e) => {
      throw e;
    },
    onRemoved: () => undefined,
    onExpelled: () => undefined,
    volumePlugins: noVolumePlugins,
  });
  while (!manager.isLeader) await new Promise((resolve) => setTimeout(resolve, 20));
  await manager.store.batch(
    order.nodeIds,
    (tx, id) => tx.create('node', workerOf(id)),
    (_, e) => {
      throw e;
    },
  );
  return manager;
}

function clusterOf(order: ManagerOrder, keyPem: string): Cluster {
  const { rootPem } = order.files;
  const joinTokens = { worker: newJoinToken(rootPem), manager: newJoinToken(rootPem) };
  return Cluster.create({
    id: order.clusterId,
    spec: ClusterSpec.create({ annotations: { name: 'default', labels: {} } }),
    rootCa: RootCa.create({ certPem: Buffer.from(rootPem), keyPem: Buffer.from(keyPem), joinTokens }),
    defaultAddressPools: ['10.0.0.0/8'],
    subnetSize: 24,
    dataPathPort: 4789,
  });
}

export function nodeOf(id: string, role: NodeRole): Node {
  const isManager = role === NodeRole.MANAGER;
  return Node.create({
    id,
    spec: NodeSpec.create({ role }),
    certificateRole: role,
    status: NodeStatus.create({ state: NodeState.UNKNOWN }),
    ...(isManager ? { managerStatus: { raftId: 1, addr: ADDRESS, leader: true, reachability: 2 as const } } : {}),
  });
}
