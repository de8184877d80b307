/** What the specs of services have by the version of the API: what a client cannot know of it does not mean. As Docker. Pure. */
import type { ContainerSpec, ServiceSpec, TaskSpec } from '@swarmts/proto';
import type { ApiVersion } from '../http/api-version.js';

export function serviceOfVersion(spec: ServiceSpec, [, minor]: ApiVersion): ServiceSpec {
  return spec.task ? { ...spec, task: taskOfVersion(spec.task, minor) } : spec;
}

function taskOfVersion(task: TaskSpec, minor: number): TaskSpec {
  const { container, resources, placement } = task;
  return {
    ...task,
    container: container && containerOfVersion(container, minor),
    resources: resources && {
      ...resources,
      ...(minor < 52 ? { swapBytes: 0, hasSwap: false, memorySwappiness: 0, hasMemorySwappiness: false } : {}),
      ...(minor < 41 && resources.limits ? { limits: { ...resources.limits, pids: 0 } } : {}),
    },
    placement: placement && (minor < 40 ? { ...placement, maxReplicas: 0 } : placement),
  };
}

function containerOfVersion(c: ContainerSpec, minor: number): ContainerSpec {
  const { mounts, privileges, healthcheck } = c;
  return {
    ...c,
    ...(minor < 46 ? { oomScoreAdj: 0, mounts: mounts.map((m) => ({ ...m, tmpfsOptions: [] })) } : {}),
    ...(minor < 44 ? { privileges: privileges && { ...privileges, ...NO_CONFINEMENT } } : {}),
    ...(minor < 44 ? { healthcheck: healthcheck && { ...healthcheck, startIntervalNs: 0 } } : {}),
    ...(minor < 41 ? { capAdd: [], capDrop: [], ulimits: [] } : {}),
    ...(minor < 40 ? { sysctls: {}, configs: c.configs.map((f) => ({ ...f, runtime: false })) } : {}),
  };
}

const NO_CONFINEMENT = {
  seccompMode: '',
  seccompProfile: new Uint8Array(),
  apparmorMode: '',
  noNewPrivileges: false,
} as const;
