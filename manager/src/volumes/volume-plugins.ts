/** The controller side of CSI plugins, as the manager needs it. Every call may be repeated. */
import { SwarmtsError } from '@swarmts/lib';
import type { VolumeInfo, VolumeSpec } from '@swarmts/proto';

/** What the user's secrets hold, by the plugin's keys. */
export type VolumeSecrets = Readonly<Record<string, string>>;

export interface MadeVolume {
  readonly spec: VolumeSpec;
  readonly info: VolumeInfo;
  readonly secrets: VolumeSecrets;
}

/** All throw SwarmtsError, 'unavailable' where the plugin does not answer on this manager. */
export interface VolumePlugins {
  create(spec: VolumeSpec, secrets: VolumeSecrets): Promise<VolumeInfo>;
  remove(volume: MadeVolume): Promise<void>;
  /** `csiNodeId` is the plugin's name for the node. Returns the publish context. */
  publish(volume: MadeVolume, csiNodeId: string): Promise<Readonly<Record<string, string>>>;
  unpublish(volume: MadeVolume, csiNodeId: string): Promise<void>;
}

const none = (): Promise<never> =>
  Promise.reject(new SwarmtsError('unavailable', 'no CSI plugin answers on this manager'));

/** Of a manager that has none. */
export const noVolumePlugins: VolumePlugins = { create: none, remove: none, publish: none, unpublish: none };
