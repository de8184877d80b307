/** Making, changing and removing cluster volumes. Words: Docker's. */
import { newId, SwarmtsError } from '@swarmts/lib';
import {
  featureLevels,
  observedState,
  TaskState,
  Volume,
  type VolumeAvailability,
  type VolumeSpec,
  validateSecretName,
} from '@swarmts/proto';
import { requireLevel } from '../feature-level.js';
import type { ReadTx, WriteTx } from '../store/transaction.js';
import { checkVersion, nameTaken } from './conflicts.js';
import { findByNameOrId } from './find.js';

export function createVolume(tx: WriteTx, spec: VolumeSpec, id = newId()): Volume {
  const known = tx.get('volume', id);
  if (known) return known;
  requireLevel(tx, featureLevels.clusterVolumes, 'cluster volumes');
  if (spec.block) requireLevel(tx, featureLevels.blockVolumes, 'volumes of type block');
  const name = spec.annotations?.name ?? '';
  if (name === '') throw new SwarmtsError('invalid-argument', 'Volume name is required');
  validateSecretName(name);
  if ((spec.driver?.name ?? '') === '') throw new SwarmtsError('invalid-argument', 'Volume driver must be specified');
  if (spec.driver?.name === 'local')
    throw new SwarmtsError(
      'invalid-argument',
      `volume ${name}: a volume of the cluster needs a CSI plugin as its driver`,
    );
  if (spec.requiredBytes < 0 || spec.limitBytes < 0)
    throw new SwarmtsError('invalid-argument', 'capacities of a volume must not be negative');
  if (spec.limitBytes > 0 && spec.requiredBytes > spec.limitBytes)
    throw new SwarmtsError(
      'invalid-argument',
      `required ${spec.requiredBytes} bytes are more than the limit of ${spec.limitBytes}`,
    );
  if (tx.by('volume', 'name', name).length > 0) throw nameTaken('volume', name);
  const secrets = spec.secrets.map((s) => ({ ...s, secretId: findByNameOrId(tx, 'secret', s.secretId).id }));
  const volume = Volume.create({ id, spec: { ...spec, secrets } });
  tx.create('volume', volume);
  return volume;
}

/** Only its availability and labels can change, as with Docker. */
export interface VolumeChange {
  readonly availability: VolumeAvailability;
  /** undefined: as they are. */
  readonly labels: Readonly<Record<string, string>> | undefined;
}

export function updateVolume(tx: WriteTx, ref: string, version: number, change: VolumeChange): void {
  const volume = findByNameOrId(tx, 'volume', ref);
  if (!volume.spec) return;
  checkVersion('volume', volume, version);
  const labels = change.labels ?? volume.spec.annotations?.labels ?? {};
  const annotations = { name: volume.spec.annotations?.name ?? '', labels };
  tx.update('volume', { ...volume, spec: { ...volume.spec, availability: change.availability, annotations } });
}

/** `force` forgets it at once, whatever its plugin says. */
export function removeVolume(tx: WriteTx, ref: string, force: boolean): void {
  const volume = findByNameOrId(tx, 'volume', ref);
  if (force) {
    tx.remove('volume', volume.id);
    return;
  }
  const user = userOf(tx, volume.id);
  if (user !== undefined || volume.publishStatus.length > 0) {
    const by = user === undefined ? 'is still published to a node' : `is in use by task ${user}`;
    throw new SwarmtsError('failed-precondition', `volume ${volume.spec?.annotations?.name} ${by}`);
  }
  tx.update('volume', { ...volume, pendingDelete: true });
}

function userOf(tx: ReadTx, volumeId: string): string | undefined {
  const uses = (t: { readonly volumes: readonly { readonly volumeId: string }[] }) =>
    t.volumes.some((a) => a.volumeId === volumeId);
  return tx.list('task').find((t) => uses(t) && observedState(t) <= TaskState.RUNNING)?.id;
}
