/**
 * A container whose default route has moved to another leg: what came in through the former one is still answered there, by a rule for its
 * address that leads to a table of their own.
 */
import type { LegSpec } from '@swarmts/netplugins';
import { addRoute, addRule, dumpRules, type NetlinkSocket, parseRule, type Request } from 'vxlan-tools';
import { findLink } from './netns-links.js';

const PRIORITY = 100;
const TABLE = 100;

export type FormerDefault = NonNullable<LegSpec['formerDefault']>;

/** In the container's namespace. Nothing where the former leg is not there. */
export function answerWhereAsked(socket: NetlinkSocket, former: FormerDefault): Request[] {
  const index = findLink(socket, former.iface)?.index;
  if (index === undefined) return [];
  const { address, gateway } = former;
  const rule = { family: 'ipv4', priority: PRIORITY, table: TABLE, source: `${address}/32` } as const;
  return [
    ...(hasMoved(socket) ? [] : [addRule(rule)]),
    addRoute({ destination: 'default', family: 'ipv4', gateway, index, table: TABLE }, true),
  ];
}

/** Whether the default route of the namespace has moved: the rule stays when the leg is lost. */
export function hasMoved(socket: NetlinkSocket): boolean {
  return socket.dump(dumpRules('ipv4')).some((m) => parseRule(m)?.priority === PRIORITY);
}
