/** /swarm: the cluster this node is or becomes a member of. */
import { SwarmtsError } from '@swarmts/lib';
import { Driver, NodeAvailability } from '@swarmts/proto';
import type { ClusterUpdate, InitRequest } from '../backend.js';
import { readDriver } from '../convert/annotations.js';
import { swarmJson } from '../convert/cluster.js';
import { readExternalCas } from '../convert/external-ca.js';
import { availabilities } from '../convert/node.js';
import { empty, flag, json, objectVersion, readJson } from '../http/exchange.js';
import { type Route, route } from '../http/router.js';
import type { JsonObject } from '../json/object.js';
import type { RouteContext } from './context.js';

export function swarmRoutes({ backend }: RouteContext): Route[] {
  const { swarm } = backend;
  return [
    route('GET', '/swarm', async ({ caller }) => json(swarmJson(await swarm.inspect(), caller.role === 'admin'))),
    route('POST', '/swarm/init', async (call) => json(await swarm.init(readInit(await readJson(call))))),
    route('POST', '/swarm/join', async (call) => {
      const o = await readJson(call);
      const listenAddr = readListenAddr(o);
      const remoteAddrs = o.strings('RemoteAddrs');
      if (remoteAddrs.length === 0) {
        throw new SwarmtsError('invalid-argument', 'at least 1 RemoteAddr is required to join');
      }
      if (remoteAddrs.includes('')) throw emptyAddress('remoteAddr');
      await swarm.join(
        {
          listenAddr,
          advertiseAddr: o.string('AdvertiseAddr'),
          dataPathAddr: o.string('DataPathAddr'),
          remoteAddrs,
          joinToken: o.string('JoinToken'),
          availability: o.oneOf('Availability', availabilities, NodeAvailability.ACTIVE),
        },
        call.signal,
      );
      return empty();
    }),
    route('POST', '/swarm/leave', async (call) => {
      await swarm.leave(flag(call.query, 'force'));
      return empty();
    }),
    route('POST', '/swarm/update', async (call) => {
      const version = objectVersion(call.query);
      const spec = await readJson(call);
      await swarm.update({
        version,
        ...readSettings(spec),
        ...readRotation(spec),
        ...(spec.has('Labels') ? { labels: spec.map('Labels') } : {}),
        rotateWorkerToken: flag(call.query, 'rotateWorkerToken'),
        rotateManagerToken: flag(call.query, 'rotateManagerToken'),
        rotateUnlockKey: flag(call.query, 'rotateManagerUnlockKey'),
      });
      return empty();
    }),
    route('GET', '/swarm/unlockkey', async () => json({ UnlockKey: await swarm.unlockKey() })),
    route('POST', '/swarmts/v1/swarm/recover', async (call) => {
      const o = await readJson(call);
      await swarm.recover(o.string('JoinToken'), o.strings('RemoteAddrs'), call.signal);
      return empty();
    }),
    route('POST', '/swarm/unlock', async (call) => {
      await swarm.unlock((await readJson(call)).string('UnlockKey'));
      return empty();
    }),
  ];
}

/** There is no default: clients fill in 0.0.0.0:2377. */
function readListenAddr(o: JsonObject): string {
  const addr = o.string('ListenAddr');
  if (addr === '') throw emptyAddress('ListenAddr');
  return addr;
}

function emptyAddress(field: string): SwarmtsError {
  return new SwarmtsError('invalid-argument', `invalid ${field} "": invalid empty address`);
}

function readInit(o: JsonObject): InitRequest {
  const spec = o.object('Spec');
  return {
    listenAddr: readListenAddr(o),
    advertiseAddr: o.string('AdvertiseAddr'),
    dataPathAddr: o.string('DataPathAddr'),
    dataPathPort: o.unsigned('DataPathPort'),
    defaultAddrPools: o.strings('DefaultAddrPool'),
    subnetSize: o.unsigned('SubnetSize'),
    forceNewCluster: o.boolean('ForceNewCluster'),
    availability: o.oneOf('Availability', availabilities, NodeAvailability.ACTIVE),
    labels: spec?.map('Labels') ?? {},
    ...(spec === undefined ? {} : readSettings(spec)),
    forceRotate: spec?.object('CAConfig')?.unsigned('ForceRotate') ?? 0,
    autoLock: o.boolean('AutoLockManagers') || (spec?.object('EncryptionConfig')?.boolean('AutoLockManagers') ?? false),
  };
}

function readRotation(spec: JsonObject): Pick<ClusterUpdate, 'forceRotate' | 'signingCa'> {
  const ca = spec.object('CAConfig');
  if (!ca) return {};
  const [certPem, keyPem] = [ca.string('SigningCACert'), ca.string('SigningCAKey')];
  if (keyPem !== '' && certPem === '')
    throw new SwarmtsError(
      'invalid-argument',
      'if a signing CA key is provided, the signing CA cert must also be provided: --ca-cert',
    );
  return {
    ...(ca.has('ForceRotate') ? { forceRotate: ca.integer('ForceRotate') } : {}),
    ...(certPem === '' ? {} : { signingCa: { certPem, keyPem } }),
  };
}

type Settings = Pick<
  ClusterUpdate,
  'taskHistoryLimit' | 'heartbeatPeriodNs' | 'nodeCertExpiryNs' | 'externalCas' | 'raft' | 'logDriver' | 'autoLock'
>;

/** There is one cluster, of one name. Throws SwarmtsError 'invalid-argument'. */
function checkName(spec: JsonObject): void {
  const name = spec.string('Name');
  if (name !== '' && name !== 'default')
    throw new SwarmtsError('invalid-argument', 'swarm spec must be named "default"');
}

/** What a spec sets. Docker's zero means "as it is", except for the history limit, where it is a value. */
function readSettings(spec: JsonObject): Settings {
  checkName(spec);
  const orchestration = spec.object('Orchestration');
  const positive = (section: string, name: string) => {
    const v = spec.object(section)?.integer(name) ?? 0;
    return v === 0 ? undefined : v;
  };
  const encryption = spec.object('EncryptionConfig');
  const ca = spec.object('CAConfig');
  const heartbeatPeriodNs = positive('Dispatcher', 'HeartbeatPeriod');
  const nodeCertExpiryNs = positive('CAConfig', 'NodeCertExpiry');
  const taskDefaults = spec.object('TaskDefaults');
  const raft = spec.object('Raft');
  const snapshotInterval = positive('Raft', 'SnapshotInterval');
  const slowFollowers = positive('Raft', 'LogEntriesForSlowFollowers');
  const heartbeatTick = positive('Raft', 'HeartbeatTick');
  const electionTick = positive('Raft', 'ElectionTick');
  return {
    ...(orchestration?.has('TaskHistoryRetentionLimit') === true
      ? { taskHistoryLimit: orchestration.integer('TaskHistoryRetentionLimit') }
      : {}),
    ...(heartbeatPeriodNs === undefined ? {} : { heartbeatPeriodNs }),
    ...(nodeCertExpiryNs === undefined ? {} : { nodeCertExpiryNs }),
    ...(ca ? { externalCas: readExternalCas(ca) } : {}),
    raft: {
      ...(snapshotInterval === undefined ? {} : { snapshotInterval }),
      ...(heartbeatTick === undefined ? {} : { heartbeatTick }),
      ...(electionTick === undefined ? {} : { electionTick }),
      ...(slowFollowers === undefined ? {} : { logEntriesForSlowFollowers: slowFollowers }),
      ...(raft?.has('KeepOldSnapshots') === true ? { keepOldSnapshots: raft.unsigned('KeepOldSnapshots') } : {}),
    },
    ...(taskDefaults ? { logDriver: readDriver(taskDefaults.object('LogDriver')) ?? Driver.create({}) } : {}),
    ...(encryption?.has('AutoLockManagers') === true ? { autoLock: encryption.boolean('AutoLockManagers') } : {}),
  };
}
