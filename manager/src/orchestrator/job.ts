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
 * The status of a job that begins its first (from undefined) or next iteration; undefined for other services. A scheduled job does not
 * begin with its creation or a change, but at its times, or when it is forced.
 */
export function nextJobStatus(
  spec: ServiceSpec,
  old: JobStatus | undefined,
  nowMs: number,
  forced = false,
): JobStatus | undefined {
  if (!isJobSpec(spec)) return undefined;
  const scheduled = spec.annotations?.labels[extensionLabels.schedule] !== undefined;
  if (scheduled && !forced) return old ?? JobStatus.create({ jobIteration: { index: 0 } });
  const index = old ? (old.jobIteration?.index ?? 0) + 1 : 0;
  return JobStatus.create({ jobIteration: { index }, lastExecutionMs: nowMs });
}
