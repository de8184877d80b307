/**
 * The cluster volumes as the scheduler sees them: which there are, where they are, and which tasks have them. Finds for a
 * task and a node one volume for each mount of type cluster, or says why there is none.
 */
import { isSwarmtsError } from '@swarmts/lib';
import {
  expandTemplate,
  type Mount,
  MountType,
  type Task,
  type Volume,
  type VolumeAttachment,
  VolumeAvailability,
  VolumePublishState,
  VolumeScope,
  VolumeSharing,
  type VolumeTopology,
} from '@swarmts/proto';
import { type NodeInfo, occupiesNode } from './node-info.js';

const GROUP = 'group:';

interface Use {
  readonly nodeId: string;
  readonly readOnly: boolean;
}

/** What a task is given for its mounts, or why it gets nothing. */
export type VolumeChoice =
  | { readonly attachments: readonly VolumeAttachment[] }
  | { readonly attachments: undefined; readonly reason: string };

export class VolumeSet {
  readonly #volumes = new Map<string, Volume>();
  readonly #byName = new Map<string, string>();
  /** By volume, then by task. */
  readonly #uses = new Map<string, Map<string, Use>>();

  put(volume: Volume): void {
    this.#volumes.set(volume.id, volume);
    this.#byName.set(nameOf(volume), volume.id);
  }

  remove(volume: Volume): void {
    this.#volumes.delete(volume.id);
    if (this.#byName.get(nameOf(volume)) === volume.id) this.#byName.delete(nameOf(volume));
  }

  /** Counts what a task has as long as it lives on its node. */
  track(task: Task): void {
    if (task.volumes.length === 0) return;
    if (!occupiesNode(task)) {
      this.release(task);
      return;
    }
    // As `choose` has found them: in the order of the mounts.
    const mounts = clusterMounts(task);
    for (const [i, { volumeId }] of task.volumes.entries()) {
      const uses = this.#uses.get(volumeId) ?? new Map<string, Use>();
      uses.set(task.id, { nodeId: task.nodeId, readOnly: mounts[i]?.readOnly ?? false });
      this.#uses.set(volumeId, uses);
    }
  }

  release(task: Pick<Task, 'id' | 'volumes'>): void {
    for (const a of task.volumes) {
      const uses = this.#uses.get(a.volumeId);
      uses?.delete(task.id);
      if (uses?.size === 0) this.#uses.delete(a.volumeId);
    }
  }

  /** Of every mount of type cluster; a task without such gets the empty list. */
  choose(task: Task, node: NodeInfo): VolumeChoice {
    const attachments: VolumeAttachment[] = [];
    for (const mount of clusterMounts(task)) {
      const paths = expanded(mount, task, node);
      if (typeof paths === 'string') return { attachments: undefined, reason: paths };
      const { source, target } = paths;
      const taken = new Set(attachments.map((a) => a.volumeId));
      const { volume, reason } = this.#volumeFor(source, mount.readOnly, node, taken);
      if (!volume) return { attachments: undefined, reason };
      attachments.push({ volumeId: volume.id, source, target });
    }
    return { attachments };
  }

  #volumeFor(
    source: string,
    readOnly: boolean,
    node: NodeInfo,
    taken: ReadonlySet<string>,
  ): { readonly volume?: Volume; readonly reason: string } {
    const candidates = this.#candidates(source);
    if (candidates.length === 0)
      return { reason: source.startsWith(GROUP) ? `no volume is in the ${source}` : `there is no volume ${source}` };
    let reason = `all volumes of the ${source} are taken`;
    for (const volume of candidates.toSorted((a, b) => this.#order(a, b, node))) {
      if (taken.has(volume.id)) continue;
      const problem = this.#problem(volume, readOnly, node);
      if (problem === '') return { volume, reason: '' };
      reason = problem;
    }
    return { reason };
  }

  #candidates(source: string): readonly Volume[] {
    if (source.startsWith(GROUP)) {
      const group = source.slice(GROUP.length);
      return [...this.#volumes.values()].filter((v) => v.spec?.group === group);
    }
    const volume = this.#volumes.get(this.#byName.get(source) ?? source);
    return volume ? [volume] : [];
  }

  /** What is on the node already, and then what is named first. */
  #order(a: Volume, b: Volume, node: NodeInfo): number {
    const here = (v: Volume) => Number(v.publishStatus.some((s) => s.nodeId === node.id));
    return here(b) - here(a) || (nameOf(a) < nameOf(b) ? -1 : 1);
  }

  /** Why the node cannot have the volume; '' when it can. */
  #problem(volume: Volume, readOnly: boolean, node: NodeInfo): string {
    const name = `volume ${nameOf(volume)}`;
    if (volume.pendingDelete) return `${name} is being deleted`;
    if (volume.spec?.availability !== VolumeAvailability.VOLUME_ACTIVE)
      return `${name} is not available (pause or drain)`;
    if (!volume.info) return `${name} is not made yet${volume.message === '' ? '' : `: ${volume.message}`}`;
    const driver = volume.spec.driver?.name ?? '';
    const csi = node.node.description?.csi.find((c) => c.plugin === driver);
    if (!csi) return `the node has no CSI plugin ${driver}, which ${name} needs`;
    if (!reaches(volume.info.accessibleTopology, csi.topology)) return `${name} cannot be reached from the node`;
    return this.#sharingProblem(volume, readOnly, node) || this.#roomProblem(volume, csi.maxVolumes, node);
  }

  #sharingProblem(volume: Volume, readOnly: boolean, node: NodeInfo): string {
    const name = `volume ${nameOf(volume)}`;
    const uses = [...(this.#uses.get(volume.id)?.values() ?? [])];
    const leaving = volume.publishStatus.find((s) => s.nodeId === node.id && s.state >= LEAVING);
    if (leaving) return `${name} is just being taken from the node`;
    if (volume.spec?.scope === VolumeScope.SINGLE_NODE) {
      const elsewhere =
        volume.publishStatus.some((s) => s.nodeId !== node.id) || uses.some((u) => u.nodeId !== node.id);
      if (elsewhere) return `${name} is on another node`;
    }
    switch (volume.spec?.sharing) {
      case VolumeSharing.SHARED_READ_ONLY:
        return readOnly ? '' : `${name} can only be mounted readonly`;
      case VolumeSharing.SHARED_ONE_WRITER:
        return readOnly || uses.every((u) => u.readOnly) ? '' : `${name} has a writer already`;
      case VolumeSharing.SHARED_BY_ALL:
        return '';
      default:
        return uses.length === 0 ? '' : `${name} is in use by another task`;
    }
  }

  #roomProblem(volume: Volume, max: number, node: NodeInfo): string {
    if (max <= 0 || volume.publishStatus.some((s) => s.nodeId === node.id)) return '';
    const driver = volume.spec?.driver?.name ?? '';
    const here = [...this.#volumes.values()].filter(
      (v) =>
        v.spec?.driver?.name === driver &&
        (v.publishStatus.some((s) => s.nodeId === node.id) ||
          [...(this.#uses.get(v.id)?.values() ?? [])].some((u) => u.nodeId === node.id)),
    );
    return here.length < max || here.includes(volume) ? '' : `the node has ${max} volumes of ${driver}, no more fit`;
  }
}

const LEAVING = VolumePublishState.PENDING_NODE_UNPUBLISH;

const nameOf = (v: Volume) => v.spec?.annotations?.name ?? '';

const NONE: readonly Mount[] = [];

/** Asked for every task: most have no mounts at all. */
export function clusterMounts(task: Task): readonly Mount[] {
  const mounts = task.spec?.container?.mounts;
  return mounts && mounts.length > 0 ? mounts.filter((m) => m.type === MountType.CLUSTER) : NONE;
}

/** What the mount means on the node, or why a placeholder means nothing there. */
function expanded(
  mount: Mount,
  task: Task,
  node: NodeInfo,
): { readonly source: string; readonly target: string } | string {
  const context = { task, nodeHostname: node.hostname };
  try {
    return { source: expandTemplate(mount.source, context), target: expandTemplate(mount.target, context) };
  } catch (e) {
    if (isSwarmtsError(e, 'invalid-argument')) return e.message;
    throw e;
  }
}

/** Whether a node is where the volume can be had: all segments of one of its topologies. */
function reaches(topologies: readonly VolumeTopology[], node: VolumeTopology | undefined): boolean {
  if (topologies.length === 0) return true;
  return topologies.some((t) => Object.entries(t.segments).every(([k, v]) => node?.segments[k] === v));
}
