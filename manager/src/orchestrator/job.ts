/** What makes a service a job: its tasks run to their end, once each, in iterations. */
import { extensionLabels, JobStatus, type Service, type ServiceSpec, type Task } from '@swarmts/proto';

export function isJobSpec(spec: ServiceSpec | undefined): boolean {
  return spec?.mode?.replicatedJob !== undefined || spec?.mode?.globalJob !== undefined;
}

/** Whether the service has one task on every suitable node, as a job or not. */
export function isGlobal(spec: ServiceSpec | undefined): boolean {
  return spec?.mode?.global !== undefined || spec?.mode?.globalJob !== undefined;
}

export function isJob(service: Service): boolean {
  return isJobSpec(service.spec);
}

/** The run of a job that counts: each update of the service begins a new one. */
export function iterationOf(service: Service): number {
  return service.jobStatus?.jobIteration?.index ?? 0;
}

/** Whether the task belongs to the job's current iteration. */
export function isOfIteration(service: Service, task: Task): boolean {
  return (task.jobIteration?.index ?? 0) === iterationOf(service);
}

/**
 * The status of a job that begins its first iteration (without `old`) or the next; undefined for other services. A scheduled job does not
 * begin with its creation or a change, but at its times, or when it is forced. Times from before a schedule was given are none of its.
 */
export function nextJobStatus(
  spec: ServiceSpec,
  old: Pick<Service, 'spec' | 'jobStatus'> | undefined,
  nowMs: number,
): JobStatus | undefined {
  if (!isJobSpec(spec)) return undefined;
  const before = old?.jobStatus;
  const isNewSchedule = old !== undefined && scheduleText(spec) !== scheduleText(old.spec);
  const lastScheduledMs = isNewSchedule ? nowMs : (before?.lastScheduledMs ?? 0);
  const isForced = old !== undefined && (spec.task?.forceUpdate ?? 0) !== (old.spec?.task?.forceUpdate ?? 0);
  if (scheduleText(spec) !== '' && !isForced)
    return JobStatus.create({ jobIteration: { index: 0 }, ...before, lastScheduledMs });
  const index = before ? (before.jobIteration?.index ?? 0) + 1 : 0;
  return JobStatus.create({ jobIteration: { index }, lastExecutionMs: nowMs, lastScheduledMs });
}

/** '' without a schedule. */
function scheduleText(spec: ServiceSpec | undefined): string {
  const labels = spec?.annotations?.labels ?? {};
  const cron = labels[extensionLabels.schedule];
  return cron === undefined ? '' : `${cron} ${labels[extensionLabels.scheduleTimezone] ?? ''}`;
}
