/** Tasks as Docker shows them. */
import { type Task, type TaskSpec, TaskState, type TaskStatus, taskStateName } from '@swarmts/proto';
import { JsonTexts } from '../json/json-texts.js';
import { appendField, omitEmpty, timeJson } from '../json/write.js';
import { metaJson } from './annotations.js';
import { portJson } from './endpoint.js';
import { swarmNetworkJson } from './network.js';
import { genericJson } from './resources.js';
import { taskSpecJson } from './task-spec.js';

/** The texts of tasks for lists: those of a service share the text of its spec. */
export function taskTexts(): JsonTexts<Task> {
  const specs = new JsonTexts<TaskSpec>((s) => JSON.stringify(taskSpecJson(s)));
  return new JsonTexts((t) =>
    appendField(JSON.stringify(withoutSpec(t)), 'Spec', t.spec === undefined ? '{}' : specs.of(t.spec)),
  );
}

export function taskJson(t: Task): Record<string, unknown> {
  return { ...withoutSpec(t), Spec: t.spec === undefined ? {} : taskSpecJson(t.spec) };
}

function withoutSpec(t: Task): Record<string, unknown> {
  return {
    ...metaJson(t.id, t.meta),
    Labels: t.annotations?.labels ?? {},
    ...omitEmpty({
      Name: t.annotations?.name,
      ServiceID: t.serviceId,
      Slot: t.slot,
      NodeID: t.nodeId,
      NetworksAttachments: t.networks.map((n) => ({
        ...(n.network === undefined ? {} : { Network: swarmNetworkJson(n.network) }),
        ...omitEmpty({ Addresses: n.addresses, Aliases: n.aliases }),
      })),
      GenericResources: genericJson(t.assignedGenericResources),
      Volumes: t.volumes.map((v) => ({ ID: v.volumeId, Source: v.source, Target: v.target })),
    }),
    Status: statusJson(t.status),
    DesiredState: taskStateName(t.desiredState),
    ...(t.jobIteration === undefined ? {} : { JobIteration: omitEmpty({ Index: t.jobIteration.index }) }),
  };
}

/** As in Docker, nothing of one that is only made: clients exec into what they are told of. */
function containerStatusJson(s: TaskStatus | undefined): Record<string, unknown> | undefined {
  if (!s?.container?.containerId || s.state < TaskState.STARTING) return undefined;
  const { containerId, pid, exitCode, oomKilled } = s.container;
  return { ContainerID: containerId, PID: pid, ExitCode: exitCode, ...(oomKilled ? { OOMKilled: true } : {}) };
}

function statusJson(s: TaskStatus | undefined): Record<string, unknown> {
  return {
    Timestamp: timeJson(s?.timestampMs ?? 0),
    State: taskStateName(s?.state ?? TaskState.NEW),
    ...omitEmpty({ Message: s?.message, Err: s?.err }),
    ...omitEmpty({ ContainerStatus: containerStatusJson(s) }),
    PortStatus: omitEmpty({ Ports: (s?.portStatus?.ports ?? []).map(portJson) }),
  };
}
