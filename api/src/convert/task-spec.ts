/** TaskTemplate, both ways: container, resources, restart policy, placement, networks, log driver. */
import { SwarmtsError } from '@swarmts/lib';
import {
  NetworkAttachmentConfig,
  Placement,
  Platform,
  RestartCondition,
  RestartPolicy,
  TaskSpec,
} from '@swarmts/proto';
import type { JsonObject } from '../json/object.js';
import { omitEmpty, wordOf } from '../json/write.js';
import { driverJson, platformJson, readDriver } from './annotations.js';
import { containerSpecJson, readContainerSpec } from './container-spec.js';
import { readRequirements, requirementsJson } from './resources.js';

const restartConditions: Readonly<Record<string, RestartCondition>> = {
  any: RestartCondition.ANY,
  'on-failure': RestartCondition.ON_FAILURE,
  none: RestartCondition.NONE,
};

export function readTaskSpec(o: JsonObject): TaskSpec {
  const runtime = o.string('Runtime');
  if (runtime !== '' && runtime !== 'container') {
    throw new SwarmtsError('unsupported', `task runtime "${runtime}" is not supported: use container`);
  }
  const container = o.object('ContainerSpec');
  const resources = o.object('Resources');
  const restart = o.object('RestartPolicy');
  const placement = o.object('Placement');
  return TaskSpec.create({
    container: container === undefined ? undefined : readContainerSpec(container),
    resources: resources === undefined ? undefined : readRequirements(resources),
    restart: restart === undefined ? undefined : readRestart(restart),
    placement: placement === undefined ? undefined : readPlacement(placement),
    logDriver: readDriver(o.object('LogDriver')),
    networks: readNetworks(o),
    forceUpdate: o.unsigned('ForceUpdate'),
    // Stored as absent, which is the same.
    runtime: '',
  });
}

export function taskSpecJson(t: TaskSpec): Record<string, unknown> {
  return {
    ...(t.container === undefined ? {} : { ContainerSpec: containerSpecJson(t.container) }),
    ...(t.resources === undefined ? {} : { Resources: requirementsJson(t.resources) }),
    ...(t.restart === undefined ? {} : { RestartPolicy: restartJson(t.restart) }),
    ...(t.placement === undefined ? {} : { Placement: placementJson(t.placement) }),
    ...omitEmpty({
      Networks: networksJson(t.networks),
      LogDriver: driverJson(t.logDriver),
    }),
    ForceUpdate: t.forceUpdate,
    Runtime: t.runtime === '' ? 'container' : t.runtime,
  };
}

export function networksJson(networks: readonly NetworkAttachmentConfig[]): unknown[] {
  return networks.map((n) =>
    omitEmpty({ Target: n.target, Aliases: n.aliases, DriverOpts: n.driverOpts, Addresses: n.addresses }),
  );
}

export function readNetworks(o: JsonObject): NetworkAttachmentConfig[] {
  return o.objects('Networks').map((n) =>
    NetworkAttachmentConfig.create({
      target: n.string('Target'),
      aliases: n.strings('Aliases'),
      addresses: n.strings('Addresses'),
      driverOpts: n.map('DriverOpts'),
    }),
  );
}

function readRestart(o: JsonObject): RestartPolicy {
  return RestartPolicy.create({
    condition: o.oneOf('Condition', restartConditions, RestartCondition.ANY),
    delayNs: o.integer('Delay'),
    hasDelay: o.has('Delay'),
    maxAttempts: o.unsigned('MaxAttempts'),
    windowNs: o.integer('Window'),
    hasWindow: o.has('Window'),
  });
}

function restartJson(r: RestartPolicy): Record<string, unknown> {
  return {
    Condition: wordOf(restartConditions, r.condition),
    ...(r.hasDelay ? { Delay: r.delayNs } : {}),
    MaxAttempts: r.maxAttempts,
    ...(r.hasWindow || r.windowNs !== 0 ? { Window: r.windowNs } : {}),
  };
}

function readPlacement(o: JsonObject): Placement {
  return Placement.create({
    constraints: o.strings('Constraints'),
    preferences: o.objects('Preferences').flatMap((p) => {
      const spread = p.object('Spread');
      return spread === undefined ? [] : [{ spreadDescriptor: spread.string('SpreadDescriptor') }];
    }),
    platforms: o
      .objects('Platforms')
      .map((p) => Platform.create({ architecture: p.string('Architecture'), os: p.string('OS') })),
    maxReplicas: o.unsigned('MaxReplicas'),
  });
}

function placementJson(p: Placement): Record<string, unknown> {
  return omitEmpty({
    Constraints: p.constraints,
    Preferences: p.preferences.map((s) => ({ Spread: { SpreadDescriptor: s.spreadDescriptor } })),
    MaxReplicas: p.maxReplicas,
    Platforms: p.platforms.map(platformJson),
  });
}
