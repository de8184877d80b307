/** What a service does where its spec says nothing, for clients that ask for it (`insertDefaults`, as `docker service inspect`). Pure. */
import {
  ContainerSpec,
  defaults,
  FailureAction,
  RestartCondition,
  RestartPolicy,
  type ServiceSpec,
  TaskSpec,
  UpdateConfig,
  UpdateOrder,
} from '@swarmts/proto';

export function withDefaults(spec: ServiceSpec): ServiceSpec {
  const isJob = spec.mode?.replicatedJob !== undefined || spec.mode?.globalJob !== undefined;
  return {
    ...spec,
    ...(isJob ? {} : { update: spec.update ?? updateConfig(), rollback: spec.rollback ?? updateConfig() }),
    ...(spec.task ? { task: taskWithDefaults(spec.task, isJob) } : {}),
  };
}

function taskWithDefaults(task: TaskSpec, isJob: boolean): TaskSpec {
  const { container, restart } = task;
  const grace = { stopGracePeriodNs: defaults.stopGracePeriodNs, hasStopGracePeriod: true };
  const condition = isJob ? RestartCondition.ON_FAILURE : RestartCondition.ANY;
  const delay = { delayNs: defaults.restartDelayNs, hasDelay: true };
  return TaskSpec.create({
    ...task,
    restart:
      restart?.hasDelay === false
        ? { ...restart, ...delay }
        : (restart ?? RestartPolicy.create({ condition, ...delay })),
    container:
      container && !container.hasStopGracePeriod ? ContainerSpec.create({ ...container, ...grace }) : container,
  });
}

function updateConfig(): UpdateConfig {
  return UpdateConfig.create({
    parallelism: defaults.updateParallelism,
    failureAction: FailureAction.FAILURE_PAUSE,
    monitorNs: defaults.updateMonitorNs,
    hasMonitor: true,
    order: UpdateOrder.STOP_FIRST,
  });
}
