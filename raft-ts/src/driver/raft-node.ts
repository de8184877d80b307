// Work in progress: the signatures of the driver.
import { RaftError } from '../errors.js';
import type { Message } from '../message.js';
import type { ConfChange, RaftStatus } from '../types.js';
import type { ProposalResult, RaftNodeOptions } from './options.js';

const pending = (): RaftError => new RaftError('stopped', 'the driver is being written');

export class RaftNode {
  readonly id: number;
  /** The bytes given as `metadata` when the directory was made. */
  readonly metadata: Uint8Array;
  private constructor(id: number, metadata: Uint8Array) {
    this.id = id;
    this.metadata = metadata;
  }
  static async open(_options: RaftNodeOptions): Promise<RaftNode> {
    throw pending();
  }
  /** Makes the stopped member in `dir` the only one of its group, state kept. Disaster recovery. */
  static async forceNewCluster(_options: Pick<RaftNodeOptions, 'id' | 'dir' | 'encryptor'>): Promise<void> {
    throw pending();
  }
  start(): void {}
  async stop(): Promise<void> {}
  async propose(_data: Uint8Array, _signal?: AbortSignal): Promise<ProposalResult> {
    throw pending();
  }
  async proposeConfChange(_change: ConfChange, _signal?: AbortSignal): Promise<void> {
    throw pending();
  }
  async readIndex(_signal?: AbortSignal): Promise<number> {
    throw pending();
  }
  step(_message: Message): void {}
  async transferLeadership(_to: number): Promise<void> {
    throw pending();
  }
  reportUnreachable(_id: number): void {}
  reportSnapshot(_id: number, _ok: boolean): void {}
  campaign(): void {}
  status(): RaftStatus {
    throw pending();
  }
}
