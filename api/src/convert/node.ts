/** Nodes: shown whole, their specs both ways. */
import { SwarmtsError } from '@swarmts/lib';
import { type Node, NodeAvailability, NodeRole, NodeSpec, NodeState, Reachability, type TlsInfo } from '@swarmts/proto';
import type { JsonObject } from '../json/object.js';
import { base64, omitEmpty, wordOf } from '../json/write.js';
import { annotationsJson, metaJson, platformJson, readAnnotations } from './annotations.js';
import { resourcesJson } from './resources.js';
import { topologyJson } from './volume.js';

export const roles: Readonly<Record<string, NodeRole>> = { worker: NodeRole.WORKER, manager: NodeRole.MANAGER };
export const availabilities: Readonly<Record<string, NodeAvailability>> = {
  active: NodeAvailability.ACTIVE,
  pause: NodeAvailability.PAUSE,
  drain: NodeAvailability.DRAIN,
};
const states: Readonly<Record<string, NodeState>> = {
  unknown: NodeState.UNKNOWN,
  down: NodeState.DOWN,
  ready: NodeState.NODE_READY,
  disconnected: NodeState.DISCONNECTED,
};
const reachabilities: Readonly<Record<string, Reachability>> = {
  unknown: Reachability.REACHABILITY_UNKNOWN,
  unreachable: Reachability.UNREACHABLE,
  reachable: Reachability.REACHABLE,
};

/** Throws SwarmtsError 'invalid-argument' where role or availability is missing: a manager is not demoted by a client that leaves its role out. */
export function readNodeSpec(o: JsonObject): NodeSpec {
  for (const name of ['Role', 'Availability'])
    if (o.string(name) === '')
      throw new SwarmtsError(
        'invalid-argument',
        `invalid ${name}: "": give the whole spec, as \`node inspect\` shows it`,
      );
  return NodeSpec.create({
    annotations: readAnnotations(o),
    role: o.oneOf('Role', roles, NodeRole.WORKER),
    availability: o.oneOf('Availability', availabilities, NodeAvailability.ACTIVE),
  });
}

export function nodeSpecJson(s: NodeSpec | undefined): Record<string, unknown> {
  const { Name, Labels } = annotationsJson(s?.annotations);
  return {
    ...omitEmpty({ Name }),
    Labels,
    Role: wordOf(roles, s?.role ?? NodeRole.WORKER),
    Availability: wordOf(availabilities, s?.availability ?? NodeAvailability.ACTIVE),
  };
}

export function nodeJson(n: Node): Record<string, unknown> {
  const d = n.description;
  return {
    ...metaJson(n.id, n.meta),
    Spec: nodeSpecJson(n.spec),
    Description: {
      ...omitEmpty({ Hostname: d?.hostname }),
      Platform: d?.platform === undefined ? {} : platformJson(d.platform),
      Resources: d?.resources === undefined ? {} : resourcesJson(d.resources),
      Engine: omitEmpty({
        EngineVersion: d?.engine?.engineVersion,
        Labels: d?.engine?.labels,
        Plugins: (d?.engine?.plugins ?? []).map((p) => ({ Type: p.type, Name: p.name })),
      }),
      TLSInfo: tlsInfoJson(d?.tlsInfo),
      ...omitEmpty({
        CSIInfo: d?.csi.map((c) => ({
          PluginName: c.plugin,
          NodeID: c.nodeId,
          ...omitEmpty({ MaxVolumesPerNode: c.maxVolumes, AccessibleTopology: c.topology && topologyJson(c.topology) }),
        })),
      }),
    },
    Status: {
      State: wordOf(states, n.status?.state ?? NodeState.UNKNOWN),
      ...omitEmpty({ Message: n.status?.message, Addr: n.status?.addr }),
    },
    ...(n.managerStatus === undefined
      ? {}
      : {
          ManagerStatus: {
            ...(n.managerStatus.leader ? { Leader: true } : {}),
            Reachability: wordOf(reachabilities, n.managerStatus.reachability),
            Addr: n.managerStatus.addr,
          },
        }),
  };
}

export function tlsInfoJson(t: TlsInfo | undefined): Record<string, unknown> {
  if (t === undefined) return {};
  return omitEmpty({
    TrustRoot: t.trustRoot,
    CertIssuerSubject: base64(t.certIssuerSubject),
    CertIssuerPublicKey: base64(t.certIssuerPublicKey),
  });
}
