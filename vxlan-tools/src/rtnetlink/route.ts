/** Routes: RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE (linux/rtnetlink.h), IPv4 and IPv6 alike. */
import {
  type Attribute,
  type Message,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  parseAttributes,
  type Request,
  readU32,
  u32,
} from '../netlink/message.js';
import { scope } from './address.js';
import { AF_INET, AF_INET6, decodeAddress, encodeAddress, familyOf, parsePrefix } from './ip-address.js';

export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
export const RTM_GETROUTE = 26;

const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_TABLE = 15;
const RTNH_F_ONLINK = 4;

export const MAIN_TABLE = 254;
/** RTPROT_*: who made a route. Ours are static; the kernel's own come and go with addresses. */
export const routeProtocol = { kernel: 2, boot: 3, static: 4 } as const;

/** RTN_*: what happens to packets that match. */
export const routeType = { unicast: 1, local: 2, blackhole: 6, unreachable: 7, prohibit: 8 } as const;

export interface Route {
  /** "10.0.0.5/32", or "default" together with `family`. */
  readonly destination: string;
  readonly family?: 'ipv4' | 'ipv6';
  readonly gateway?: string;
  readonly index?: number;
  readonly source?: string;
  readonly table?: number;
  readonly scope?: number;
  readonly type?: number;
  readonly metric?: number;
  /** The gateway is reachable on the link although no address says so. */
  readonly onLink?: boolean;
}

function routeHeader(route: Route): { header: Buffer; attributes: Attribute[] } {
  const prefix = route.destination === 'default' ? undefined : parsePrefix(route.destination);
  const family = prefix === undefined ? (route.family === 'ipv6' ? AF_INET6 : AF_INET) : familyOf(prefix.address);
  const type = route.type ?? routeType.unicast;
  const table = route.table ?? MAIN_TABLE;
  const b = Buffer.alloc(12);
  b.writeUInt8(family, 0);
  b.writeUInt8(prefix?.prefixLength ?? 0, 1);
  b.writeUInt8(table > 255 ? 0 : table, 4);
  b.writeUInt8(routeProtocol.static, 5);
  b.writeUInt8(route.scope ?? defaultScope(family, type, route.gateway), 6);
  b.writeUInt8(type, 7);
  b.writeUInt32LE(route.onLink === true ? RTNH_F_ONLINK : 0, 8);
  const attributes: Attribute[] = [];
  if (prefix !== undefined) attributes.push([RTA_DST, encodeAddress(prefix.address)]);
  if (route.gateway !== undefined) attributes.push([RTA_GATEWAY, encodeAddress(route.gateway)]);
  if (route.index !== undefined) attributes.push([RTA_OIF, u32(route.index)]);
  if (route.source !== undefined) attributes.push([RTA_PREFSRC, encodeAddress(route.source)]);
  if (route.metric !== undefined) attributes.push([RTA_PRIORITY, u32(route.metric)]);
  if (table > 255) attributes.push([RTA_TABLE, u32(table)]);
  return { header: b, attributes };
}

/** What `ip route` chooses: on-link IPv4 routes have link scope, routed ones reach everywhere. */
function defaultScope(family: number, type: number, gateway: string | undefined): number {
  if (family === AF_INET6 || type === routeType.blackhole || type === routeType.unreachable) return scope.universe;
  if (type === routeType.local) return scope.host;
  return gateway === undefined ? scope.link : scope.universe;
}

/** Adds a route; EEXIST when there is one, unless `replace`. */
export function addRoute(route: Route, replace = false): Request {
  return {
    type: RTM_NEWROUTE,
    flags: NLM_F_CREATE | (replace ? NLM_F_REPLACE : NLM_F_EXCL),
    ...routeHeader(route),
    operation: `add route ${routeText(route)}`,
  };
}

/** Deletes a route; ESRCH when there is none. */
export function deleteRoute(route: Route): Request {
  const { header, attributes } = routeHeader({ ...route, scope: route.scope ?? scope.nowhere });
  return { type: RTM_DELROUTE, flags: 0, header, attributes, operation: `delete route ${routeText(route)}` };
}

function routeText(route: Route): string {
  const via = route.gateway === undefined ? '' : ` via ${route.gateway}`;
  return `${route.destination}${via}${route.index === undefined ? '' : ` on link #${route.index}`}`;
}

/** All routes of a family and table, or those of one maker (`routeProtocol`); the kernel filters. */
export function dumpRoutes(family: 'ipv4' | 'ipv6', table = MAIN_TABLE, protocol = 0): Request {
  const b = Buffer.alloc(12);
  b.writeUInt8(family === 'ipv6' ? AF_INET6 : AF_INET, 0);
  b.writeUInt8(protocol, 5);
  return {
    type: RTM_GETROUTE,
    flags: 0,
    header: b,
    attributes: [[RTA_TABLE, u32(table)]],
    operation: `list ${family} routes of table ${table}`,
  };
}

export interface FoundRoute {
  readonly destination: string;
  readonly gateway: string;
  readonly index: number;
  readonly table: number;
  readonly scope: number;
  readonly type: number;
  readonly protocol: number;
  readonly source: string;
}

export function parseRoute(message: Message): FoundRoute | undefined {
  if (message.type !== RTM_NEWROUTE) return undefined;
  const { payload } = message;
  const a = parseAttributes(payload.subarray(12));
  const destination = a.get(RTA_DST);
  const address = (bytes: Buffer | undefined) => (bytes === undefined ? '' : decodeAddress(bytes));
  return {
    destination: destination === undefined ? 'default' : `${decodeAddress(destination)}/${payload.readUInt8(1)}`,
    gateway: address(a.get(RTA_GATEWAY)),
    index: readU32(a.get(RTA_OIF)) ?? 0,
    table: readU32(a.get(RTA_TABLE)) ?? payload.readUInt8(4),
    scope: payload.readUInt8(6),
    type: payload.readUInt8(7),
    protocol: payload.readUInt8(5),
    source: address(a.get(RTA_PREFSRC)),
  };
}
