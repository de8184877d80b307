/** Secrets and configs, both ways. The data of a secret is never shown. */
import { type Config, ConfigSpec, type Secret, SecretSpec } from '@swarmts/proto';
import type { JsonObject } from '../json/object.js';
import { base64, omitEmpty } from '../json/write.js';
import { annotationsJson, driverJson, metaJson, readAnnotations, readDriver } from './annotations.js';

export function readSecretSpec(o: JsonObject): SecretSpec {
  return SecretSpec.create({
    annotations: readAnnotations(o),
    data: o.bytes('Data'),
    driver: readDriver(o.object('Driver')),
    templating: readDriver(o.object('Templating')),
  });
}

export function secretJson(s: Secret): Record<string, unknown> {
  return {
    ...metaJson(s.id, s.meta),
    Spec: {
      ...annotationsJson(s.spec?.annotations),
      ...omitEmpty({ Driver: driverJson(s.spec?.driver), Templating: driverJson(s.spec?.templating) }),
    },
  };
}

export function readConfigSpec(o: JsonObject): ConfigSpec {
  return ConfigSpec.create({
    annotations: readAnnotations(o),
    data: o.bytes('Data'),
    templating: readDriver(o.object('Templating')),
  });
}

export function configJson(c: Config): Record<string, unknown> {
  return {
    ...metaJson(c.id, c.meta),
    Spec: {
      ...annotationsJson(c.spec?.annotations),
      Data: base64(c.spec?.data ?? new Uint8Array()),
      ...omitEmpty({ Templating: driverJson(c.spec?.templating) }),
    },
  };
}
