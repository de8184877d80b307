/** Ports that the swarm itself needs on its nodes: published on all of them, they would lead its own packets to a task. */
import { defaults, type PortConfig, PortProtocol } from '@swarmts/proto';
import type { ReadTx } from '../store/transaction.js';

/** Encrypted networks have two more, in turns. */
const DATA_PATH_PORTS = 3;

/** What the swarm needs the port for; undefined where it does not. */
export type ReservedPort = (p: PortConfig) => string | undefined;

export function reservedPorts(tx: ReadTx): ReservedPort {
  const first = tx.list('cluster')[0]?.dataPathPort || defaults.dataPathPort;
  const managers = new Set(tx.list('node').flatMap((n) => portOf(n.managerStatus?.addr ?? '')));
  return ({ protocol, publishedPort }) => {
    if (protocol === PortProtocol.TCP && managers.has(publishedPort)) return 'its managers';
    const isDataPath = publishedPort >= first && publishedPort < first + DATA_PATH_PORTS;
    return protocol === PortProtocol.UDP && isDataPath ? 'its data path' : undefined;
  };
}

/** "10.0.0.1:2377" or "[fd00::1]:2377" */
function portOf(addr: string): readonly number[] {
  const port = Number(addr.slice(addr.lastIndexOf(':') + 1));
  return addr !== '' && Number.isInteger(port) ? [port] : [];
}
