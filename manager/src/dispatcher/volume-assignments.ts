/** The cluster volumes of one node: those that were published to it, and those that it is to let go of. */
import { type Assignments, VolumeAssignment, VolumePublishState } from '@swarmts/proto';
import type { ReadTx } from '../store/transaction.js';
import { volumeSecretsOf } from '../volumes/volume-secrets.js';

type VolumePart = Pick<Assignments, 'volumes' | 'removedVolumeIds'>;

export class VolumeAssignments {
  readonly #nodeId: string;
  readonly #sent = new Set<string>();

  constructor(nodeId: string) {
    this.#nodeId = nodeId;
  }

  complete(tx: ReadTx): VolumePart {
    this.#sent.clear();
    return this.increment(tx, new Set(tx.list('volume').map((v) => v.id)));
  }

  increment(tx: ReadTx, touched: ReadonlySet<string>): VolumePart {
    const volumes: VolumeAssignment[] = [];
    const removedVolumeIds: string[] = [];
    for (const id of touched) {
      const volume = tx.get('volume', id);
      const status = volume?.publishStatus.find((s) => s.nodeId === this.#nodeId);
      if (volume && status?.state === VolumePublishState.PUBLISHED) {
        if (this.#sent.has(id)) continue;
        this.#sent.add(id);
        const { spec, info } = volume;
        const { publishContext } = status;
        volumes.push(VolumeAssignment.create({ id, spec, info, publishContext, secrets: volumeSecretsOf(tx, spec) }));
      } else if (this.#sent.delete(id) || status?.state === VolumePublishState.PENDING_NODE_UNPUBLISH) {
        removedVolumeIds.push(id);
      }
    }
    return { volumes, removedVolumeIds };
  }
}
