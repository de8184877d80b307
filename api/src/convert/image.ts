/** Images and volumes of the node. */
import type { ImageSummary, VolumeSummary } from '../backend.js';
import { timeJson } from '../json/write.js';

export function imageListJson(i: ImageSummary, containers: number): Record<string, unknown> {
  return {
    Id: i.id,
    ParentId: '',
    RepoTags: i.repoTags,
    RepoDigests: i.repoDigests,
    Created: Math.floor(i.createdAtMs / 1000),
    Size: i.sizeBytes,
    SharedSize: -1,
    VirtualSize: i.sizeBytes,
    Labels: i.labels,
    Containers: containers,
  };
}

export function imageInspectJson(i: ImageSummary): Record<string, unknown> {
  return {
    Id: i.id,
    RepoTags: i.repoTags,
    RepoDigests: i.repoDigests,
    Parent: '',
    Comment: '',
    Created: timeJson(i.createdAtMs),
    DockerVersion: '',
    Author: '',
    Config: i.config,
    Architecture: i.architecture,
    Os: i.os,
    Size: i.sizeBytes,
    VirtualSize: i.sizeBytes,
    GraphDriver: { Name: 'overlay2', Data: null },
    RootFS: { Type: 'layers', Layers: i.layers },
    Metadata: { LastTagTime: timeJson(0) },
  };
}

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
