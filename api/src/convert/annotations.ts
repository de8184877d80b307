/** What every swarm object has in Docker's JSON: ID, version, times; and the small shared messages. */
import { type Annotations, Driver, type Meta, type Platform } from '@swarmts/proto';
import type { JsonObject } from '../json/object.js';
import { omitEmpty, timeJson } from '../json/write.js';

export function metaJson(id: string, meta: Meta | undefined): Record<string, unknown> {
  return {
    ID: id,
    Version: { Index: meta?.version?.index ?? 0 },
    CreatedAt: timeJson(meta?.createdAtMs ?? 0),
    UpdatedAt: timeJson(meta?.updatedAtMs ?? 0),
  };
}

export function annotationsJson(a: Annotations | undefined): Record<string, unknown> {
  return { Name: a?.name ?? '', Labels: a?.labels ?? {} };
}

export function readAnnotations(o: JsonObject): Annotations {
  return { name: o.string('Name'), labels: o.map('Labels') };
}

export function driverJson(d: Driver | undefined): Record<string, unknown> | undefined {
  return d === undefined ? undefined : omitEmpty({ Name: d.name, Options: d.options });
}

export function readDriver(o: JsonObject | undefined): Driver | undefined {
  return o === undefined ? undefined : Driver.create({ name: o.string('Name'), options: o.map('Options') });
}

export function platformJson(p: Platform): Record<string, unknown> {
  return omitEmpty({ Architecture: p.architecture, OS: p.os });
}
