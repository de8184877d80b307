/**
 * Published ports of services in ingress mode: the fixed ones are checked against all other services, the open ones are chosen
 * from 30000 to 32767. A port that was chosen once stays with its target as long as the service asks for it.
 */
import { SwarmtsError } from '@swarmts/lib';
import {
  AUTO_PORT_RANGE,
  type PortConfig,
  PortProtocol,
  PublishMode,
  type Service,
  type ServiceSpec,
} from '@swarmts/proto';
import { portKey } from '../store/tables.js';
import type { ReservedPort } from './reserved-ports.js';

/** Other services that publish a port, in whatever mode: its protocol and number count. */
export type PortOwners = (p: PortConfig) => readonly Service[];

/**
 * The endpoint's ports with every ingress port filled in. Throws 'invalid-argument' naming the owner of a port that is taken: an ingress
 * port is one of every node, so nobody else may have it on any; ports of single nodes are the scheduler's.
 */
export function assignPorts(
  spec: ServiceSpec,
  previous: readonly PortConfig[],
  ownersOf: PortOwners,
  reserved: ReservedPort = () => undefined,
): readonly PortConfig[] {
  const wanted = spec.endpoint?.ports ?? [];
  const fixed = wanted.filter((p) => p.publishedPort !== 0);
  for (const p of fixed) {
    refuseTaken(p, ownersOf(p));
    refuseReserved(p, reserved);
  }
  const mine = new Set(fixed.map(portKey));
  const free = (p: PortConfig) => !mine.has(portKey(p)) && ownersOf(p).length === 0 && reserved(p) === undefined;
  return wanted.map((p) => {
    if (!isIngress(p) || p.publishedPort !== 0) return p;
    const chosen = choose(p, previous, free);
    mine.add(portKey(chosen));
    return chosen;
  });
}

function refuseTaken(wanted: PortConfig, owners: readonly Service[]): void {
  for (const s of owners) {
    const clash = s.endpoint?.ports.find((p) => portKey(p) === portKey(wanted) && (isIngress(wanted) || isIngress(p)));
    if (clash) throw taken(clash, s);
  }
}

/** On single nodes whoever has it there already is asked. */
function refuseReserved(p: PortConfig, reserved: ReservedPort): void {
  const purpose = isIngress(p) ? reserved(p) : undefined;
  if (purpose === undefined) return;
  throw new SwarmtsError(
    'invalid-argument',
    `port '${p.publishedPort}' is already in use by the swarm itself, for ${purpose}: publish another one`,
  );
}

function choose(p: PortConfig, previous: readonly PortConfig[], free: (p: PortConfig) => boolean): PortConfig {
  const [first, last] = AUTO_PORT_RANGE;
  const isAutomatic = (port: number) => port >= first && port <= last;
  const before = previous.find(
    (q) => isIngress(q) && q.targetPort === p.targetPort && q.protocol === p.protocol && isAutomatic(q.publishedPort),
  );
  if (before && free(before)) return { ...p, publishedPort: before.publishedPort };
  for (let publishedPort = first; publishedPort <= last; publishedPort++) {
    const candidate = { ...p, publishedPort };
    if (free(candidate)) return candidate;
  }
  throw new SwarmtsError('resource-exhausted', `no free port of ${first} to ${last} is left to publish`);
}

export function isIngress(p: PortConfig): boolean {
  return p.publishMode === PublishMode.INGRESS;
}

const PROTOCOLS: Readonly<Record<number, string>> = {
  [PortProtocol.TCP]: 'tcp',
  [PortProtocol.UDP]: 'udp',
  [PortProtocol.SCTP]: 'sctp',
};

/** "80/tcp" */
export function targetOf(p: PortConfig): string {
  return `${p.targetPort}/${PROTOCOLS[p.protocol] ?? 'tcp'}`;
}

function taken(p: PortConfig, owner: Service): SwarmtsError {
  return new SwarmtsError(
    'invalid-argument',
    `port '${p.publishedPort}' is already in use by service '${owner.spec?.annotations?.name}' (${owner.id}) as ${isIngress(p) ? 'an ingress port' : 'a host-published port'}`,
  );
}
