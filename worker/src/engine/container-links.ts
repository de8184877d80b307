/**
 * Links between containers of the node's local network (`--link`): who is linked, and what the one that links is told: lines of its
 * /etc/hosts, variables, and ports that are open to it even where containers do not reach each other.
 */
import { isSwarmtsError, SwarmtsError } from '@swarmts/lib';
import type { LinkedPort } from '@swarmts/netplugins';
import type { Container } from './container.js';
import type { ContainerLink, ExposedPort } from './container-config.js';
import type { ContainerNetwork } from './container-network.js';
import type { ContainerRecord } from './container-record.js';
import type { ContainerRegistry } from './container-registry.js';

/** What the line of a link begins with; a container that is not there any more has no hostname. */
export interface LinkedNames {
  readonly alias: string;
  readonly hostname: string | undefined;
}

export interface LinkedContainer extends LinkedNames {
  readonly name: string;
  readonly hostname: string;
  readonly address: string;
  readonly env: readonly string[];
  readonly ports: readonly ExposedPort[];
}

/** The links by id: names may change. Throws Docker's words where one leads nowhere. */
export function resolveLinks(links: readonly ContainerLink[], registry: ContainerRegistry): readonly ContainerLink[] {
  const resolved = links.map(({ container, alias }) => ({
    container: linkTarget(container, registry).record.id,
    alias,
  }));
  return resolved.filter((l, i) => resolved.findIndex((other) => other.alias === l.alias) === i);
}

function linkTarget(ref: string, registry: ContainerRegistry): Container {
  try {
    const target = registry.get(ref);
    const { networkContainer, networkMode } = target.record.config;
    if (networkContainer) return linkTarget(networkContainer, registry);
    if (networkMode === 'host') throw hostNetwork();
    return target;
  } catch (e) {
    if (!isSwarmtsError(e, 'not-found')) throw e;
    throw new SwarmtsError('invalid-argument', `could not get container for ${ref}: ${e.message}`, { cause: e });
  }
}

function hostNetwork(): SwarmtsError {
  const what = "conflicting options: host type networking can't be used with links";
  return new SwarmtsError('invalid-argument', `${what}. This would result in undefined behavior`);
}

/** The names that a container's links have now; those to containers that were removed are gone. */
export function linksOf(record: ContainerRecord, registry: ContainerRegistry): readonly ContainerLink[] {
  return (record.config.links ?? []).flatMap(({ container, alias }) => {
    const target = registry.byId(container);
    return target ? [{ container: target.record.config.name, alias }] : [];
  });
}

/** What a container is told of those that it is linked to. `strict`: throws Docker's words unless all of them run. */
export function linkedContainers(
  record: ContainerRecord,
  registry: ContainerRegistry,
  network: ContainerNetwork,
  strict: boolean,
): readonly LinkedContainer[] {
  return (record.config.links ?? []).flatMap(({ container, alias }) => {
    const target = registry.byId(container);
    if (!target) return [];
    const { config, hostname, env, exposedPorts = [] } = target.record;
    const address = target.isRunning ? network.linkAddress?.(container) : undefined;
    if (address !== undefined) return [{ alias, name: config.name, hostname, address, env, ports: exposedPorts }];
    if (!strict) return [];
    throw new SwarmtsError(
      'failed-precondition',
      target.isRunning
        ? `Cannot link to /${config.name}, as it does not belong to the default network`
        : `Cannot link to a non running container: /${config.name} AS /${record.config.name}/${alias}`,
    );
  });
}

export function linkedPorts(linked: readonly LinkedContainer[]): readonly LinkedPort[] {
  return linked.flatMap(({ address, ports }) =>
    ports.map(({ protocol, targetPort }) => ({ address, protocol, port: targetPort })),
  );
}

/** Lines of /etc/hosts. */
export function linkHostLines(linked: readonly LinkedContainer[]): readonly string[] {
  return linked.map((l) => `${l.address} ${namesOf(l)}`);
}

function namesOf({ alias, hostname, name }: LinkedContainer): string {
  return [...new Set([alias, hostname, name])].join(' ');
}

/** A hosts file with the addresses that linked containers have now, without a link that is `gone`; whatever else is in there stays. */
export function movedHosts(hosts: string, linked: readonly LinkedContainer[], gone?: LinkedNames): string {
  return hosts
    .split('\n')
    .flatMap((line) => {
      const [, text = ''] = line.split('\t');
      if (gone && isLineOf(text, gone)) return [];
      const now = linked.find((l) => isLineOf(text, l));
      return [now ? `${now.address}\t${namesOf(now)}` : line];
    })
    .join('\n');
}

/** The name of a container may be another one since the line was written; alias and hostname are not. */
function isLineOf(text: string, { alias, hostname }: LinkedNames): boolean {
  const [first, ...others] = text.split(' ');
  return first === alias && (hostname === alias || others.some((name) => name === hostname));
}

/** The variables that Docker gives a container for those that it is linked to. */
export function linkVariables(containerName: string, linked: readonly LinkedContainer[]): readonly string[] {
  return linked.flatMap((l) => {
    const prefix = l.alias.toUpperCase().replaceAll('-', '_');
    const env = l.env.filter((e) => e.includes('=') && !NOT_PASSED_ON.test(e));
    return [
      ...portVariables(prefix, l),
      `${prefix}_NAME=/${containerName}/${l.alias}`,
      ...env.map((e) => `${prefix}_ENV_${e}`),
    ];
  });
}

/** The machine's own variables say nothing about the container. */
const NOT_PASSED_ON = /^(HOME|PATH|HOSTNAME|TERM)=/;
/** From so many ports in a row on, the first and the last one are told as well. */
const SHORTEST_RANGE = 3;

function portVariables(prefix: string, { address, ports }: LinkedContainer): readonly string[] {
  const sorted = [...ports].sort((a, b) => order(a) - order(b) || a.targetPort - b.targetPort);
  const [lowest] = [...sorted].sort((a, b) => a.targetPort - b.targetPort);
  if (!lowest) return [];
  const url = (p: ExposedPort) => `${p.protocol}://${address}:${p.targetPort}`;
  const nameOf = (p: ExposedPort) => `${prefix}_PORT_${p.targetPort}_${p.protocol.toUpperCase()}`;
  const ranges = portRanges(sorted).flatMap(([first, last]) => [
    `${nameOf(first)}_START=${url(first)}`,
    `${nameOf(first)}_ADDR=${address}`,
    `${nameOf(first)}_PROTO=${first.protocol}`,
    `${nameOf(first)}_PORT_START=${first.targetPort}`,
    `${nameOf(first)}_END=${url(last)}`,
    `${nameOf(first)}_PORT_END=${last.targetPort}`,
  ]);
  const single = sorted.flatMap((p) => [
    `${nameOf(p)}=${url(p)}`,
    `${nameOf(p)}_ADDR=${address}`,
    `${nameOf(p)}_PORT=${p.targetPort}`,
    `${nameOf(p)}_PROTO=${p.protocol}`,
  ]);
  return [`${prefix}_PORT=${url(lowest)}`, ...ranges, ...single];
}

const order = (p: ExposedPort): number => ['tcp', 'udp', 'sctp'].indexOf(p.protocol);

/** First and last of the long runs. */
function portRanges(sorted: readonly ExposedPort[]): readonly (readonly [ExposedPort, ExposedPort])[] {
  const runs: ExposedPort[][] = [];
  for (const p of sorted) {
    const run = runs.at(-1);
    const last = run?.at(-1);
    if (run && last?.protocol === p.protocol && last.targetPort + 1 === p.targetPort) run.push(p);
    else runs.push([p]);
  }
  return runs.flatMap((run) => {
    const [first, last] = [run[0], run.at(-1)];
    return run.length >= SHORTEST_RANGE && first && last ? [[first, last] as const] : [];
  });
}
