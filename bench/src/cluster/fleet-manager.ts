/** The manager of the fleet benchmark: tells its address. */
import { NodeRole } from '@swarmts/proto';
import { ADDRESS, nodeOf, serveOrder, startManager } from './bench-manager.js';

serveOrder(async (order) => {
  await startManager(order, (id) => nodeOf(id, NodeRole.WORKER));
  return ADDRESS;
});
