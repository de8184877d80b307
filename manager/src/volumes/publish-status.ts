/** On which nodes a cluster volume is, and how far it got there. Changes of its publish statuses, within a transaction. */
import { SwarmtsError } from '@swarmts/lib';
import { type VolumeAttachment, VolumePublishState, type VolumePublishStatus } from '@swarmts/proto';
import type { WriteTx } from '../store/transaction.js';

/** Volumes that a task was given on a node are to be brought there. Throws 'conflict' for one that was let go of meanwhile: another is to be chosen. */
export function publishToNodes(tx: WriteTx, nodeId: string, attachments: readonly VolumeAttachment[]): void {
  const csi = tx.get('node', nodeId)?.description?.csi ?? [];
  for (const { volumeId } of attachments) {
    const volume = tx.get('volume', volumeId);
    if (!volume || volume.pendingDelete) throw new SwarmtsError('conflict', `volume ${volumeId} was removed meanwhile`);
    const known = volume.publishStatus.find((s) => s.nodeId === nodeId);
    if (known && known.state >= VolumePublishState.PENDING_NODE_UNPUBLISH)
      throw new SwarmtsError('conflict', `volume ${volumeId} is just being taken from node ${nodeId}`);
    if (known) continue;
    const status = {
      nodeId,
      state: VolumePublishState.PENDING_PUBLISH,
      publishContext: {},
      message: '',
      // Kept from now on: whoever takes it away may not know the node any more.
      csiNodeId: csi.find((c) => c.plugin === volume.spec?.driver?.name)?.nodeId ?? '',
    };
    tx.update('volume', { ...volume, publishStatus: [...volume.publishStatus, status] });
  }
}

/** Changes a volume's status on one node; undefined takes it away. What is gone is left alone. */
export function changePublishStatus(
  tx: WriteTx,
  volumeId: string,
  nodeId: string,
  change: (s: VolumePublishStatus) => VolumePublishStatus | undefined,
): void {
  const volume = tx.get('volume', volumeId);
  if (!volume?.publishStatus.some((s) => s.nodeId === nodeId)) return;
  const publishStatus = volume.publishStatus.flatMap((s) => (s.nodeId === nodeId ? (change(s) ?? []) : [s]));
  tx.update('volume', { ...volume, publishStatus });
}
