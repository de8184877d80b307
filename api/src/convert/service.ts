/** Services as Docker shows them. */
import { type Service, UpdateState } from '@swarmts/proto';
import type { ServiceWithCounts } from '../backend.js';
import { JsonTexts } from '../json/json-texts.js';
import { appendField, omitEmpty, timeJson, wordOf } from '../json/write.js';
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

/** The texts of services for lists, without counts. */
export function serviceTexts(): JsonTexts<Service> {
  return new JsonTexts((s) => JSON.stringify(serviceJson(s)));
}

/** The counts in the text of a service: they change without it. */
export function withStatus(text: string, s: ServiceWithCounts): string {
  const { runningTasks: RunningTasks, desiredTasks: DesiredTasks, completedTasks: CompletedTasks } = s;
  return appendField(text, 'ServiceStatus', JSON.stringify({ RunningTasks, DesiredTasks, CompletedTasks }));
}

export function serviceJson(service: Service): Record<string, unknown> {
  return {
    ...metaJson(service.id, service.meta),
    Spec: service.spec === undefined ? {} : serviceSpecJson(service.spec),
    ...(service.previousSpec === undefined ? {} : { PreviousSpec: serviceSpecJson(service.previousSpec) }),
    Endpoint: endpointJson(service.endpoint),
    ...updateStatusJson(service),
    ...(service.jobStatus === undefined
      ? {}
      : {
          JobStatus: {
            JobIteration: omitEmpty({ Index: service.jobStatus.jobIteration?.index }),
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
