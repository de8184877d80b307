/** Limits, reservations and generic resources, both ways. */
import { GenericResource, ResourceRequirements, Resources } from '@swarmts/proto';
import type { JsonObject } from '../json/object.js';
import { omitEmpty } from '../json/write.js';

export function readRequirements(o: JsonObject): ResourceRequirements {
  const limits = o.object('Limits');
  const reservations = o.object('Reservations');
  return ResourceRequirements.create({
    limits: limits === undefined ? undefined : readResources(limits),
    reservations: reservations === undefined ? undefined : readResources(reservations),
    swapBytes: o.integer('SwapBytes'),
    hasSwap: o.has('SwapBytes'),
    memorySwappiness: o.integer('MemorySwappiness'),
    hasMemorySwappiness: o.has('MemorySwappiness'),
  });
}

export function requirementsJson(r: ResourceRequirements): Record<string, unknown> {
  return {
    ...(r.limits === undefined ? {} : { Limits: resourcesJson(r.limits) }),
    ...(r.reservations === undefined ? {} : { Reservations: resourcesJson(r.reservations) }),
    ...(r.hasSwap ? { SwapBytes: r.swapBytes } : {}),
    ...(r.hasMemorySwappiness ? { MemorySwappiness: r.memorySwappiness } : {}),
  };
}

function readResources(o: JsonObject): Resources {
  return Resources.create({
    nanoCpus: o.integer('NanoCPUs'),
    memoryBytes: o.integer('MemoryBytes'),
    pids: o.integer('Pids'),
    generic: o.objects('GenericResources').flatMap(readGeneric),
  });
}

function readGeneric(o: JsonObject): GenericResource[] {
  const named = o.object('NamedResourceSpec');
  const discrete = o.object('DiscreteResourceSpec');
  return [
    ...(named === undefined
      ? []
      : [GenericResource.create({ kind: named.string('Kind'), value: named.string('Value') })]),
    ...(discrete === undefined
      ? []
      : [GenericResource.create({ kind: discrete.string('Kind'), count: discrete.integer('Value') })]),
  ];
}

export function resourcesJson(r: Resources): Record<string, unknown> {
  return omitEmpty({
    NanoCPUs: r.nanoCpus,
    MemoryBytes: r.memoryBytes,
    Pids: r.pids,
    GenericResources: genericJson(r.generic),
  });
}

export function genericJson(list: readonly GenericResource[]): unknown[] {
  return list.map((g) =>
    g.value === ''
      ? { DiscreteResourceSpec: { Kind: g.kind, Value: g.count } }
      : { NamedResourceSpec: { Kind: g.kind, Value: g.value } },
  );
}
