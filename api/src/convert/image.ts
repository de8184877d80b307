/** Images of the node. */
import type { ImageSummary } from '../backend.js';
import { type ApiVersion, SINCE } from '../http/api-version.js';
import type { HistoryRecord, RemovedImage } from '../image-backend.js';
import { omitEmpty, timeJson, ZERO_TIME } from '../json/write.js';
import { imageDirectories } from './graph-driver.js';

/** From 1.43 on an image without a name has empty lists, before it has a name of its own. */
const EMPTY_NAMES_SINCE = 43;
/** From 1.44 on the virtual size is not told any more. */
const NO_VIRTUAL_SIZE_SINCE = 44;

export function imageListJson(i: ImageSummary, containers: number, version: ApiVersion): Record<string, unknown> {
  const names = (list: readonly string[], none: string) => {
    const isNameless = i.repoTags.length + i.repoDigests.length === 0;
    return isNameless && version[1] < EMPTY_NAMES_SINCE ? [none] : list;
  };
  return {
    Id: i.id,
    ParentId: i.parent,
    RepoTags: names(i.repoTags, '<none>:<none>'),
    RepoDigests: names(i.repoDigests, '<none>@<none>'),
    Created: Math.floor(i.createdAtMs / 1000),
    Size: i.sizeBytes,
    SharedSize: -1,
    ...(version[1] < NO_VIRTUAL_SIZE_SINCE ? { VirtualSize: i.sizeBytes } : {}),
    Labels: i.labels,
    Containers: containers,
  };
}

export function imageInspectJson(i: ImageSummary, version: ApiVersion): Record<string, unknown> {
  const isLean = version[1] >= SINCE.leanAnswers;
  const text = { Parent: i.parent, Comment: i.comment, DockerVersion: '', Author: i.author };
  const hasWhole = version[1] < SINCE.imageConfigsOnly;
  const emptyConfig = hasWhole ? EMPTY_CONFIG : EMPTY_IMAGE_CONFIG;
  const given = Object.entries(i.config);
  const config = Object.fromEntries(hasWhole ? given : given.filter(([name]) => IMAGE_CONFIG_FIELDS.has(name)));
  return {
    Id: i.id,
    RepoTags: i.repoTags,
    RepoDigests: i.repoDigests,
    ...(isLean ? omitEmpty(text) : text),
    ...(i.created === '' && version[1] >= NO_VIRTUAL_SIZE_SINCE ? {} : { Created: i.created || ZERO_TIME }),
    Config: isLean ? omitEmpty(config) : { ...emptyConfig, ...config },
    Architecture: i.architecture,
    ...(i.variant ? { Variant: i.variant } : {}),
    Os: i.os,
    Size: i.sizeBytes,
    ...(version[1] < NO_VIRTUAL_SIZE_SINCE ? { VirtualSize: i.sizeBytes } : {}),
    GraphDriver: imageDirectories(i.directories),
    RootFS: { Type: 'layers', Layers: i.layers },
    Metadata: { LastTagTime: timeJson(i.taggedAtMs) },
  };
}

/** What an image says of its containers. */
const EMPTY_IMAGE_CONFIG = {
  User: '',
  Env: null,
  Cmd: null,
  Volumes: null,
  WorkingDir: '',
  Entrypoint: null,
  OnBuild: null,
  Labels: null,
};

const IMAGE_CONFIG_FIELDS: ReadonlySet<string> = new Set([
  ...Object.keys(EMPTY_IMAGE_CONFIG),
  'ExposedPorts',
  'StopSignal',
  'ArgsEscaped',
  'Healthcheck',
  'Shell',
]);

/** Docker showed every field of a configuration. */
const EMPTY_CONFIG = {
  ...EMPTY_IMAGE_CONFIG,
  Hostname: '',
  Domainname: '',
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Image: '',
};

export function historyJson(h: HistoryRecord): Record<string, unknown> {
  return {
    Id: h.id,
    Created: Math.floor(h.createdAtMs / 1000),
    CreatedBy: h.createdBy,
    Tags: h.tags.length > 0 ? h.tags : null,
    Size: h.sizeBytes,
    Comment: h.comment,
  };
}

export function removedJson(r: RemovedImage): Record<string, unknown> {
  return {
    ...(r.untagged === undefined ? {} : { Untagged: r.untagged }),
    ...(r.deleted === undefined ? {} : { Deleted: r.deleted }),
  };
}
