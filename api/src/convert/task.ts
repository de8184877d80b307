/** Tasks as Docker shows them. */
import { type Task, TaskState, type TaskStatus, taskStateName } from '@swarmts/proto';
import { omitEmpty, timeJson } from '../json/write.js';
import { metaJson } from './annotations.js';
import { portJson } from './endpoint.js';
import { swarmNetworkJson } from './network.js';
import { genericJson } from './resources.js';
import { taskSpecJson } from './task-spec.js';

/** Many at once: tasks of a service share its spec and its networks, which are converted once. */
export function tasksJson(tasks: readonly Task[]): readonly Record<string, unknown>[] {
  const specs = once(taskSpecJson);
  const networks = once(swarmNetworkJson);
  return tasks.map((t) => convert(t, specs, networks));
}

export function taskJson(t: Task): Record<string, unknown> {
  return convert(t, taskSpecJson, swarmNetworkJson);
}

function once<K extends object, V>(make: (key: K) => V): (key: K) => V {
  const made = new Map<K, V>();
  return (key) => {
    const known = made.get(key);
    if (known !== undefined) return known;
    const value = make(key);
    made.set(key, value);
    return value;
  };
}

function convert(
  t: Task,
  specJson: typeof taskSpecJson,
  networkJson: typeof swarmNetworkJson,
): Record<string, unknown> {
  return {
    ...metaJson(t.id, t.meta),
    Labels: t.annotations?.labels ?? {},
    ...omitEmpty({ Name: t.annotations?.name }),
    Spec: t.spec === undefined ? {} : specJson(t.spec),
    ...omitEmpty({ ServiceID: t.serviceId, Slot: t.slot, NodeID: t.nodeId }),
    Status: statusJson(t.status),
    DesiredState: taskStateName(t.desiredState),
    ...omitEmpty({
      NetworksAttachments: t.networks.map((n) => ({
        ...(n.network === undefined ? {} : { Network: networkJson(n.network) }),
        ...omitEmpty({ Addresses: n.addresses, Aliases: n.aliases }),
      })),
      GenericResources: genericJson(t.assignedGenericResources),
    }),
    ...(t.jobIteration === undefined ? {} : { JobIteration: { Index: t.jobIteration.index } }),
  };
}

function statusJson(s: TaskStatus | undefined): Record<string, unknown> {
  return {
    Timestamp: timeJson(s?.timestampMs ?? 0),
    State: taskStateName(s?.state ?? TaskState.NEW),
    ...omitEmpty({ Message: s?.message, Err: s?.err }),
    ...(s?.container === undefined
      ? {}
      : {
          ContainerStatus: {
            ContainerID: s.container.containerId,
            PID: s.container.pid,
            ExitCode: s.container.exitCode,
            ...(s.container.oomKilled ? { OOMKilled: true } : {}),
          },
        }),
    PortStatus: omitEmpty({ Ports: (s?.portStatus?.ports ?? []).map(portJson) }),
  };
}
