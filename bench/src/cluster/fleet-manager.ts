/** The manager of the fleet benchmark, in a process of its own: takes its order from the parent, and tells its address. */
import { silentLogger, systemClock } from '@swarmts/lib';
import { Credentials, Manager, newJoinToken, noVolumePlugins } from '@swarmts/manager';
import { Cluster, ClusterSpec, Node, NodeRole, NodeSpec, NodeState, NodeStatus, RootCa } from '@swarmts/proto';
import type { FleetOrder } from './fleet-bench.js';

const ADDRESS = '127.0.0.1:23770';
const DATA_KEY = new Uint8Array(32);

process.once('message', (order: FleetOrder) => {
  run(order).catch((e: unknown) => {
    process.stderr.write(`fleet-manager: ${e instanceof Error ? e.stack : e}\n`);
    process.exit(1);
  });
});

async function run(order: FleetOrder): Promise<void> {
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
    volumePlugins: noVolumePlugins,
  });
  while (!manager.isLeader) await new Promise((resolve) => setTimeout(resolve, 20));
  await manager.store.batch(
    order.nodeIds,
    (tx, id) => tx.create('node', nodeOf(id, NodeRole.WORKER)),
    (_, e) => {
      throw e;
    },
  );
  process.send?.(ADDRESS);
}

function clusterOf(order: FleetOrder, keyPem: string): Cluster {
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

function nodeOf(id: string, role: NodeRole): Node {
  const isManager = role === NodeRole.MANAGER;
  return Node.create({
    id,
    spec: NodeSpec.create({ role }),
    certificateRole: role,
    status: NodeStatus.create({ state: NodeState.UNKNOWN }),
    ...(isManager ? { managerStatus: { raftId: 1, addr: ADDRESS, leader: true, reachability: 2 as const } } : {}),
  });
}
