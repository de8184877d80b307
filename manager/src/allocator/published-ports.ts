/**
 * Published ports of services in ingress mode: the fixed ones are checked against all other services, the open ones are chosen
 * from 30000 to 32767. A port that was chosen once stays with its target as long as the service asks for it.
 */
import { SwarmtsError } from '@swarmts/lib';
import { AUTO_PORT_RANGE, type PortConfig, PublishMode, type Service, type ServiceSpec } from '@swarmts/proto';

/** The endpoint's ports with every ingress port filled in. Throws 'invalid-argument' naming the owner of a port that is taken. */
export function assignPorts(
  spec: ServiceSpec,
  previous: readonly PortConfig[],
  others: readonly Service[],
): readonly PortConfig[] {
  const owners = new Map<string, Service>();
  for (const s of others) for (const p of s.endpoint?.ports ?? []) if (isIngress(p)) owners.set(keyOf(p), s);
  const wanted = spec.endpoint?.ports ?? [];
  const mine = new Set<string>();
  for (const p of wanted) {
    if (!isIngress(p) || p.publishedPort === 0) continue;
    const owner = owners.get(keyOf(p));
    if (owner) throw taken(p, owner);
    mine.add(keyOf(p));
  }
  const free = (p: PortConfig) => !owners.has(keyOf(p)) && !mine.has(keyOf(p));
  return wanted.map((p) => {
    if (!isIngress(p) || p.publishedPort !== 0) return p;
    const chosen = choose(p, previous, free);
    mine.add(keyOf(chosen));
    return chosen;
  });
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

const keyOf = (p: PortConfig): string => `${p.protocol}/${p.publishedPort}`;

function taken(p: PortConfig, owner: Service): SwarmtsError {
  return new SwarmtsError(
    'invalid-argument',
    `port '${p.publishedPort}' is already in use by service '${owner.spec?.annotations?.name}' (${owner.id}) as an ingress port`,
  );
}
