/** What a node's membership in a swarm works with. */
import type { Duplex } from 'node:stream';
import type { Clock, Logger, Random } from '@swarmts/lib';
import type { RaftTimings } from '@swarmts/manager';
import type { RoutedNetworks } from '@swarmts/netplugins';
import type { NodeDescription } from '@swarmts/proto';
import type { ContainerEngine, CsiPlugins } from '@swarmts/worker';

export interface SwarmNodeOptions {
  /** Folder of everything that belongs to the membership. */
  readonly dir: string;
  readonly engine: ContainerEngine;
  readonly networks: RoutedNetworks;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly hostname: string;
  readonly defaultAdvertiseAddr: string;
  readonly csiPlugins: CsiPlugins;
  readonly describe: () => NodeDescription;
  readonly leaseMs: number;
  /** A connection to this node's own API. */
  readonly connectApi: () => Duplex;
  readonly timings: RaftTimings;
  /** The process must end: the manager's disk failed. */
  readonly onFatal: (e: Error) => void;
}
