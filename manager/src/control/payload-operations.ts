/**
 * Secrets and configs: making, changing their labels, removing, and new versions under the same name. A version is an object
 * of its own: services keep to the one whose id they name until they are updated, and can be rolled back to it. The newest one
 * has the name; those before it are NAME@1, NAME@2 and so on.
 */
import { isDeepStrictEqual } from 'node:util';
import { newId, SwarmtsError } from '@swarmts/lib';
import {
  Config,
  ConfigSpec,
  type ContainerSpec,
  extensionLabels,
  MAX_CONFIG_BYTES,
  MAX_SECRET_BYTES,
  Secret,
  SecretSpec,
  type Service,
  type ServiceSpec,
  validateSecretName,
} from '@swarmts/proto';
import { isJobSpec } from '../orchestrator/job.js';
import type { ReadTx, WriteTx } from '../store/transaction.js';
import { checkVersion, nameTaken } from './conflicts.js';
import { findByNameOrId } from './find.js';

export type PayloadKind = 'secret' | 'config';

export interface NewVersion {
  readonly id: string;
  /** From 1. */
  readonly version: number;
}

const LIMITS = { secret: MAX_SECRET_BYTES, config: MAX_CONFIG_BYTES } as const;
const OLD_VERSION = /@(\d+)$/;

interface References {
  readonly of: (c: ContainerSpec) => readonly { readonly id: string; readonly name: string }[];
  /** Those of a name refer to that id. */
  readonly pointed: (c: ContainerSpec, name: string, id: string) => ContainerSpec;
}

const references: Readonly<Record<PayloadKind, References>> = {
  secret: {
    of: (c) => c.secrets.map((r) => ({ id: r.secretId, name: r.secretName })),
    pointed: (c, name, secretId) => ({
      ...c,
      secrets: c.secrets.map((r) => (r.secretName === name ? { ...r, secretId } : r)),
    }),
  },
  config: {
    of: (c) => c.configs.map((r) => ({ id: r.configId, name: r.configName })),
    pointed: (c, name, configId) => ({
      ...c,
      configs: c.configs.map((r) => (r.configName === name ? { ...r, configId } : r)),
    }),
  },
};

const bytes = (b: Uint8Array | undefined) => Buffer.from(b ?? []);
const nameOf = (p: Secret | Config) => p.spec?.annotations?.name ?? '';

/** The name that services know it by, whichever version it is; undefined for what is gone. */
export function nameOfVersion(p: Secret | Config | undefined): string | undefined {
  return p && nameOf(p).replace(OLD_VERSION, '');
}

export function createSecret(tx: WriteTx, spec: SecretSpec, id = newId()): string {
  if (tx.get('secret', id)) return id;
  checkNew(tx, 'secret', spec);
  tx.create('secret', Secret.create({ id, spec }));
  return id;
}

export function createConfig(tx: WriteTx, spec: ConfigSpec, id = newId()): string {
  if (tx.get('config', id)) return id;
  checkNew(tx, 'config', spec);
  tx.create('config', Config.create({ id, spec }));
  return id;
}

function checkNew(tx: ReadTx, kind: PayloadKind, spec: SecretSpec | ConfigSpec): void {
  const name = spec.annotations?.name ?? '';
  validateSecretName(name);
  checkPayload(kind, spec.data, LIMITS[kind]);
  if (tx.by(kind, 'name', name).length > 0) throw nameTaken(kind, name);
}

function checkPayload(kind: string, data: Uint8Array, limit: number): void {
  if (data.length === 0 || data.length >= limit) {
    throw new SwarmtsError(
      'invalid-argument',
      `${kind} data must be larger than 0 and less than ${limit} bytes, not ${data.length}`,
    );
  }
}

export function updateSecret(tx: WriteTx, ref: string, version: number, spec: SecretSpec): void {
  const secret = findByNameOrId(tx, 'secret', ref);
  checkVersion('secret', secret, version);
  // Clients read a secret without its data, and send it back so.
  checkSame(secret, spec, spec.data.length > 0);
  tx.update('secret', { ...secret, spec: SecretSpec.create({ ...secret.spec, annotations: spec.annotations }) });
}

export function updateConfig(tx: WriteTx, ref: string, version: number, spec: ConfigSpec): void {
  const config = findByNameOrId(tx, 'config', ref);
  checkVersion('config', config, version);
  checkSame(config, spec, true);
  tx.update('config', { ...config, spec: ConfigSpec.create({ ...config.spec, annotations: spec.annotations }) });
}

function checkSame(old: Secret | Config, spec: SecretSpec | ConfigSpec, withData: boolean): void {
  const sameName = spec.annotations?.name === old.spec?.annotations?.name;
  if (!sameName || (withData && !isDeepStrictEqual(bytes(spec.data), bytes(old.spec?.data))))
    throw new SwarmtsError('invalid-argument', 'only updates to Labels are allowed');
}

/** Versions that are removed in one transaction, at most. */
const MAX_REMOVED_TOGETHER = 100;

/** With its earlier versions, if it is the newest. */
export function removePayload(tx: WriteTx, kind: PayloadKind, ref: string): void {
  for (const v of removableVersions(tx, kind, ref)) tx.remove(kind, v.id);
}

/** Of a payload with many versions the ids of those that are to be removed before it. Throws as `removePayload` does. */
export function versionsToRemoveBefore(tx: ReadTx, kind: PayloadKind, ref: string): readonly string[] {
  const all = removableVersions(tx, kind, ref);
  return all.slice(MAX_REMOVED_TOGETHER).map((v) => v.id);
}

/** Throws SwarmtsError when one of them is in use. */
function removableVersions(tx: ReadTx, kind: PayloadKind, ref: string): readonly (Secret | Config)[] {
  const payload = findByNameOrId(tx, kind, ref);
  const all = [payload, ...earlierVersions(tx, kind, nameOf(payload))];
  const isOne = (id: string) => all.some((v) => v.id === id);
  refuseIfUsed(tx, kind, nameOf(payload), (c) => references[kind].of(c).some((r) => isOne(r.id)));
  const volumes = kind === 'secret' ? tx.list('volume') : [];
  const volume = volumes.find((v) => v.spec?.secrets.some((s) => isOne(s.secretId)));
  if (volume)
    throw new SwarmtsError(
      'failed-precondition',
      `secret '${nameOf(payload)}' is in use by volume ${volume.spec?.annotations?.name}`,
    );
  return all;
}

function earlierVersions(tx: ReadTx, kind: PayloadKind, name: string): readonly (Secret | Config)[] {
  return tx.list(kind).filter((p: Secret | Config) => OLD_VERSION.test(nameOf(p)) && nameOfVersion(p) === name);
}

function refuseIfUsed(tx: ReadTx, kind: string, name: string, uses: (c: ContainerSpec) => boolean): void {
  const users = tx
    .list('service')
    .filter((s) => s.spec?.task?.container && uses(s.spec.task.container))
    .map((s) => s.spec?.annotations?.name);
  if (users.length > 0) {
    const plural = users.length === 1 ? 'service' : 'services';
    throw new SwarmtsError(
      'invalid-argument',
      `rpc error: code = InvalidArgument desc = ${kind} '${name}' is in use by the following ${plural}: ${users.join(', ')}`,
    );
  }
}

/** The same payload as before makes no new version. */
export function addVersion(tx: WriteTx, kind: PayloadKind, ref: string, data: Uint8Array): NewVersion {
  const old = findByNameOrId(tx, kind, ref);
  const name = nameOf(old);
  if (OLD_VERSION.test(name))
    throw new SwarmtsError(
      'invalid-argument',
      `${name} is an earlier version: name the ${kind} itself, ${nameOfVersion(old)}`,
    );
  checkPayload(kind, data, LIMITS[kind]);
  const numbers = earlierVersions(tx, kind, name).map((p) => Number(OLD_VERSION.exec(nameOf(p))?.[1]));
  const oldNumber = Math.max(0, ...numbers) + 1;
  if (isDeepStrictEqual(bytes(data), bytes(old.spec?.data))) return { id: old.id, version: oldNumber };
  const labels = old.spec?.annotations?.labels ?? {};
  const annotations = { name: `${name}@${oldNumber}`, labels };
  const next = { annotations: { name, labels }, data };
  if (kind === 'secret') {
    const secret = findByNameOrId(tx, 'secret', old.id);
    tx.update('secret', { ...secret, spec: SecretSpec.create({ ...secret.spec, annotations }) });
    return { id: createSecret(tx, SecretSpec.create({ ...secret.spec, ...next })), version: oldNumber + 1 };
  }
  const config = findByNameOrId(tx, 'config', old.id);
  tx.update('config', { ...config, spec: ConfigSpec.create({ ...config.spec, annotations }) });
  return { id: createConfig(tx, ConfigSpec.create({ ...config.spec, ...next })), version: oldNumber + 1 };
}

/** Services that use an earlier version of it. A job that is not scheduled would run again at once: it is left alone. */
export function followers(tx: ReadTx, kind: PayloadKind, id: string): readonly Service[] {
  return tx.list('service').filter((s) => {
    const scheduled = s.spec?.annotations?.labels[extensionLabels.schedule] !== undefined;
    if (!s.spec || (isJobSpec(s.spec) && !scheduled)) return false;
    return followed(tx, kind, s.spec, id) !== s.spec;
  });
}

/** The spec with that version in the place of any other; the same spec where it has none. */
export function followed(tx: ReadTx, kind: PayloadKind, spec: ServiceSpec, id: string): ServiceSpec {
  const container = spec.task?.container;
  const name = nameOfVersion(tx.get(kind, id));
  if (!spec.task || !container || name === undefined) return spec;
  const { of, pointed } = references[kind];
  if (!of(container).some((r) => r.name === name && r.id !== id)) return spec;
  return { ...spec, task: { ...spec.task, container: pointed(container, name, id) } };
}

/** What of a secret may be read. */
export function withoutPayload(s: Secret): Secret {
  return { ...s, spec: s.spec && { ...s.spec, data: new Uint8Array(0) } };
}
