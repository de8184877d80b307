/** Volumes: the node's own, and the cluster's in both ways. */
import { SwarmtsError } from '@swarmts/lib';
import {
  type Volume,
  VolumeAvailability,
  type VolumeInfo,
  VolumePublishState,
  VolumeScope,
  VolumeSharing,
  VolumeSpec,
  type VolumeTopology,
} from '@swarmts/proto';
import type { VolumeSummary } from '../backend.js';
import type { JsonObject } from '../json/object.js';
import { omitEmpty, timeJson, wordOf } from '../json/write.js';
import { metaJson } from './annotations.js';

const scopes: Readonly<Record<string, VolumeScope>> = {
  single: VolumeScope.SINGLE_NODE,
  multi: VolumeScope.MULTI_NODE,
};
const sharings: Readonly<Record<string, VolumeSharing>> = {
  none: VolumeSharing.UNSHARED,
  readonly: VolumeSharing.SHARED_READ_ONLY,
  onewriter: VolumeSharing.SHARED_ONE_WRITER,
  all: VolumeSharing.SHARED_BY_ALL,
};
const availabilities: Readonly<Record<string, VolumeAvailability>> = {
  active: VolumeAvailability.VOLUME_ACTIVE,
  pause: VolumeAvailability.VOLUME_PAUSE,
  drain: VolumeAvailability.VOLUME_DRAIN,
};
const publishStates: Readonly<Record<string, VolumePublishState>> = {
  'pending-publish': VolumePublishState.PENDING_PUBLISH,
  published: VolumePublishState.PUBLISHED,
  'pending-node-unpublish': VolumePublishState.PENDING_NODE_UNPUBLISH,
  'pending-controller-unpublish': VolumePublishState.PENDING_UNPUBLISH,
};

export function volumeJson(v: VolumeSummary): Record<string, unknown> {
  return {
    CreatedAt: timeJson(v.createdAtMs),
    Driver: v.driver,
    Labels: v.labels,
    Mountpoint: v.mountpoint,
    Name: v.name,
    Options: v.options,
    Scope: 'local',
  };
}

/** The body of POST /volumes/create for a cluster volume. */
export function readVolumeSpec(o: JsonObject, cluster: JsonObject): VolumeSpec {
  const access = cluster.object('AccessMode');
  const mount = access?.object('MountVolume');
  const block = access?.object('BlockVolume') !== undefined;
  if (block && mount)
    throw new SwarmtsError('invalid-argument', 'a volume has either MountVolume or BlockVolume as its AccessMode');
  const capacity = cluster.object('CapacityRange');
  const topology = cluster.object('AccessibilityRequirements');
  return VolumeSpec.create({
    annotations: { name: o.string('Name'), labels: o.map('Labels') },
    driver: { name: o.string('Driver'), options: o.map('DriverOpts') },
    group: cluster.string('Group'),
    scope: access?.oneOf('Scope', scopes, VolumeScope.SINGLE_NODE) ?? VolumeScope.SINGLE_NODE,
    sharing: access?.oneOf('Sharing', sharings, VolumeSharing.UNSHARED) ?? VolumeSharing.UNSHARED,
    block,
    fsType: mount?.string('FsType') ?? '',
    mountFlags: mount?.strings('MountFlags') ?? [],
    secrets: cluster.objects('Secrets').map((s) => ({ key: s.string('Key'), secretId: s.string('Secret') })),
    requisiteTopology: (topology?.objects('Requisite') ?? []).map(readTopology),
    preferredTopology: (topology?.objects('Preferred') ?? []).map(readTopology),
    requiredBytes: capacity?.integer('RequiredBytes') ?? 0,
    limitBytes: capacity?.integer('LimitBytes') ?? 0,
    availability: readAvailability(cluster),
  });
}

export function readAvailability(cluster: JsonObject): VolumeAvailability {
  return cluster.oneOf('Availability', availabilities, VolumeAvailability.VOLUME_ACTIVE);
}

const readTopology = (o: JsonObject): VolumeTopology => ({ segments: o.map('Segments') });

export function clusterVolumeJson(v: Volume): Record<string, unknown> {
  const { spec } = v;
  return {
    ClusterVolume: {
      ...metaJson(v.id, v.meta),
      Spec: specJson(spec),
      ...omitEmpty({ Info: v.info && infoJson(v.info) }),
      ...omitEmpty({
        PublishStatus: v.publishStatus.map((s) => ({
          NodeID: s.nodeId,
          State: wordOf(publishStates, s.state),
          ...omitEmpty({ PublishContext: s.publishContext }),
        })),
      }),
    },
    CreatedAt: timeJson(v.meta?.createdAtMs ?? 0),
    Driver: spec?.driver?.name ?? '',
    Labels: spec?.annotations?.labels ?? {},
    Mountpoint: '',
    Name: spec?.annotations?.name ?? '',
    Options: spec?.driver?.options ?? {},
    Scope: 'global',
    // Not in Docker's: what its plugin complains of.
    ...omitEmpty({ Status: omitEmpty({ Message: problemOf(v) }) }),
  };
}

function problemOf(v: Volume): string {
  return v.message || (v.publishStatus.find((s) => s.message !== '')?.message ?? '');
}

function specJson(spec: VolumeSpec | undefined): Record<string, unknown> {
  return {
    ...omitEmpty({ Group: spec?.group }),
    AccessMode: {
      Scope: wordOf(scopes, spec?.scope ?? VolumeScope.SINGLE_NODE),
      Sharing: wordOf(sharings, spec?.sharing ?? VolumeSharing.UNSHARED),
      ...(spec?.block
        ? { BlockVolume: {} }
        : { MountVolume: omitEmpty({ FsType: spec?.fsType, MountFlags: spec?.mountFlags }) }),
    },
    ...omitEmpty({
      AccessibilityRequirements: omitEmpty({
        Requisite: spec?.requisiteTopology.map(topologyJson),
        Preferred: spec?.preferredTopology.map(topologyJson),
      }),
      CapacityRange: omitEmpty({ RequiredBytes: spec?.requiredBytes, LimitBytes: spec?.limitBytes }),
      Secrets: spec?.secrets.map((s) => ({ Key: s.key, Secret: s.secretId })),
    }),
    Availability: wordOf(availabilities, spec?.availability ?? VolumeAvailability.VOLUME_ACTIVE),
  };
}

function infoJson(i: VolumeInfo): Record<string, unknown> {
  return omitEmpty({
    CapacityBytes: i.capacityBytes,
    VolumeContext: i.context,
    VolumeID: i.volumeId,
    AccessibleTopology: i.accessibleTopology.map(topologyJson),
  });
}

export const topologyJson = (t: VolumeTopology) => ({ Segments: t.segments });
