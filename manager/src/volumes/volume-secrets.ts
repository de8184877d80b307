/** The secrets that a volume's plugin is given. */
import { SwarmtsError } from '@swarmts/lib';
import type { VolumeSpec } from '@swarmts/proto';
import type { ReadTx } from '../store/transaction.js';
import type { VolumeSecrets } from './volume-plugins.js';

/** Throws SwarmtsError 'not-found' for a secret that is gone. */
export function volumeSecretsOf(tx: ReadTx, spec: VolumeSpec | undefined): VolumeSecrets {
  const pairs = (spec?.secrets ?? []).map(({ key, secretId }) => {
    const data = tx.get('secret', secretId)?.spec?.data;
    if (!data) throw new SwarmtsError('not-found', `secret ${secretId} of the volume is gone`);
    return [key, Buffer.from(data).toString()] as const;
  });
  return Object.fromEntries(pairs);
}
