/** One agent's stream on the leader: sends session info, assignments and log requests; hands on what the agent says. */
import type * as grpc from '@grpc/grpc-js';
import { newId } from '@swarmts/lib';
import { type AgentMessage, DispatcherMessage, type LogRequest, type SessionInfo } from '@swarmts/proto';
import type { ReadTx } from '../store/transaction.js';
import { AssignmentSet } from './assignment-set.js';
import type { NetworkIndex, TouchedNetwork } from './network-index.js';
import { Tunnels } from './tunnels.js';

export type AgentStream = grpc.ServerDuplexStream<AgentMessage, DispatcherMessage>;

export class Session {
  readonly id = newId();
  readonly nodeId: string;
  readonly #stream: AgentStream;
  readonly #assignments: AssignmentSet;
  readonly tunnels: Tunnels;
  readonly #touched = new Set<string>();
  readonly #touchedVolumes = new Set<string>();
  #full = false;
  #closed = false;

  constructor(nodeId: string, stream: AgentStream, index: NetworkIndex) {
    this.nodeId = nodeId;
    this.#stream = stream;
    this.#assignments = new AssignmentSet(nodeId, index);
    this.tunnels = new Tunnels(nodeId, (tunnel) => this.#send(DispatcherMessage.create({ tunnel })));
  }

  get closed(): boolean {
    return this.#closed;
  }

  sendInfo(session: SessionInfo): void {
    this.#send(DispatcherMessage.create({ session }));
  }

  sendComplete(tx: ReadTx): void {
    this.#touched.clear();
    this.#touchedVolumes.clear();
    this.#full = true;
    this.#send(DispatcherMessage.create({ assignments: this.#assignments.complete(tx) }));
  }

  /** A task of (or formerly of) this node has changed. */
  touch(taskId: string): void {
    this.#touched.add(taskId);
  }

  /** A cluster volume that is, was or will be on this node has changed. */
  touchVolume(volumeId: string): void {
    this.#touchedVolumes.add(volumeId);
  }

  /** Sends the increment for all that was touched. Returns its sequence when it says something of networks, else 0. */
  flush(tx: ReadTx, networks: ReadonlyMap<string, TouchedNetwork>): number {
    if (!this.#full || this.#touched.size + networks.size + this.#touchedVolumes.size === 0) return 0;
    const touched = new Set(this.#touched);
    const volumes = new Set(this.#touchedVolumes);
    this.#touched.clear();
    this.#touchedVolumes.clear();
    const assignments = this.#assignments.increment(tx, touched, networks, volumes);
    if (!assignments) return 0;
    this.#send(DispatcherMessage.create({ assignments }));
    return assignments.networks.length + assignments.removedNetworkIds.length > 0 ? assignments.resultsIn : 0;
  }

  sendWithdrawn(taskIds: readonly string[]): void {
    this.#send(DispatcherMessage.create({ withdrawn: { taskIds: [...taskIds] } }));
  }

  sendLogRequest(logs: LogRequest): void {
    this.#send(DispatcherMessage.create({ logs }));
  }

  /** Ends the stream; `status` tells the agent why. */
  close(status?: Partial<grpc.StatusObject>): void {
    if (this.#closed) return;
    this.tunnels.close();
    this.#closed = true;
    if (status) this.#stream.emit('error', status);
    else this.#stream.end();
  }

  #send(message: DispatcherMessage): void {
    if (!this.#closed) this.#stream.write(message);
  }
}
