/** Services as Docker shows them. */
import { type Service, UpdateState } from '@swarmts/proto';
import type { ServiceWithCounts } from '../backend.js';
import { timeJson, wordOf } from '../json/write.js';
import { metaJson } from './annotations.js';
import { endpointJson } from './endpoint.js';
import { serviceSpecJson } from './service-spec.js';

const updateStates: Readonly<Record<string, UpdateState>> = {
  updating: UpdateState.UPDATING,
  paused: UpdateState.UPDATE_PAUSED,
  completed: UpdateState.UPDATE_COMPLETED,
  rollback_started: UpdateState.ROLLBACK_STARTED,
  rollback_paused: UpdateState.ROLLBACK_PAUSED,
  rollback_completed: UpdateState.ROLLBACK_COMPLETED,
};

export function serviceJson(s: ServiceWithCounts, withStatus: boolean): Record<string, unknown> {
  const { service } = s;
  return {
    ...metaJson(service.id, service.meta),
    Spec: service.spec === undefined ? {} : serviceSpecJson(service.spec),
    ...(service.previousSpec === undefined ? {} : { PreviousSpec: serviceSpecJson(service.previousSpec) }),
    Endpoint: endpointJson(service.endpoint),
    ...updateStatusJson(service),
    ...(withStatus
      ? {
          ServiceStatus: {
            RunningTasks: s.runningTasks,
            DesiredTasks: s.desiredTasks,
            CompletedTasks: s.completedTasks,
          },
        }
      : {}),
    ...(service.jobStatus === undefined
      ? {}
      : {
          JobStatus: {
            JobIteration: { Index: service.jobStatus.jobIteration?.index ?? 0 },
            LastExecution: timeJson(service.jobStatus.lastExecutionMs),
          },
        }),
  };
}

function updateStatusJson(service: Service): Record<string, unknown> {
  const u = service.updateStatus;
  if (u === undefined || u.state === UpdateState.UPDATE_UNKNOWN) return {};
  return {
    UpdateStatus: {
      State: wordOf(updateStates, u.state),
      ...(u.startedAtMs === 0 ? {} : { StartedAt: timeJson(u.startedAtMs) }),
      ...(u.completedAtMs === 0 ? {} : { CompletedAt: timeJson(u.completedAtMs) }),
      Message: u.message,
    },
  };
}
