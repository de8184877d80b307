/** What a service does where its spec says nothing, for clients that ask for it (`insertDefaults`, as `docker service inspect`). Pure. */
import {
  ContainerSpec,
  DnsConfig,
  defaults,
  FailureAction,
  Placement,
  ResourceRequirements,
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
  const { restart } = task;
  const condition = isJob ? RestartCondition.ON_FAILURE : RestartCondition.ANY;
  const delay = { delayNs: defaults.restartDelayNs, hasDelay: true };
  return TaskSpec.create({
    ...task,
    restart:
      restart?.hasDelay === false
        ? { ...restart, ...delay }
        : (restart ?? RestartPolicy.create({ condition, ...delay })),
    container: task.container && containerWithDefaults(task.container),
    resources: task.resources ?? ResourceRequirements.create({}),
    placement: task.placement ?? Placement.create({}),
  });
}

function containerWithDefaults(container: ContainerSpec): ContainerSpec {
  const grace = { stopGracePeriodNs: defaults.stopGracePeriodNs, hasStopGracePeriod: true };
  return ContainerSpec.create({
    ...container,
    ...(container.hasStopGracePeriod ? {} : grace),
    dnsConfig: container.dnsConfig ?? DnsConfig.create({}),
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
