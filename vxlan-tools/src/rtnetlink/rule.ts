/** Routing policy rules by firewall mark or source address: RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE (linux/fib_rules.h). */
import {
  type Attribute,
  type Message,
  NLM_F_CREATE,
  NLM_F_EXCL,
  parseAttributes,
  type Request,
  readU32,
  u32,
} from '../netlink/message.js';
import { AF_INET, AF_INET6, decodeAddress, encodeAddress, parsePrefix } from './ip-address.js';

export const RTM_NEWRULE = 32;
export const RTM_DELRULE = 33;
export const RTM_GETRULE = 34;

const FRA_SRC = 2;
const FRA_PRIORITY = 6;
const FRA_FWMARK = 10;
const FRA_TABLE = 15;
const FRA_FWMASK = 16;
const FR_ACT_TO_TBL = 1;
export const FR_ACT_PROHIBIT = 8;

export interface Rule {
  readonly family: 'ipv4' | 'ipv6';
  /** Lower ones are asked first; the main table's rule has 32766. */
  readonly priority: number;
  readonly table: number;
  /** Packets with this mark, compared under the mask (default: all bits). */
  readonly mark?: number;
  readonly mask?: number;
  /** Packets from this prefix, "10.0.0.5/32". */
  readonly source?: string;
  /** FR_ACT_* of a rule that does something else than look into a table. */
  readonly action?: number;
}

function ruleParts(rule: Rule): { header: Buffer; attributes: Attribute[] } {
  const source = rule.source === undefined ? undefined : parsePrefix(rule.source);
  const header = Buffer.alloc(12);
  header.writeUInt8(rule.family === 'ipv6' ? AF_INET6 : AF_INET, 0);
  header.writeUInt8(source?.prefixLength ?? 0, 2);
  header.writeUInt8(rule.table > 255 ? 0 : rule.table, 4);
  header.writeUInt8(rule.action ?? FR_ACT_TO_TBL, 7);
  const attributes: Attribute[] = [];
  if (source !== undefined) attributes.push([FRA_SRC, encodeAddress(source.address)]);
  if (rule.mark !== undefined) {
    attributes.push([FRA_FWMARK, u32(rule.mark)], [FRA_FWMASK, u32(rule.mask ?? 0xffff_ffff)]);
  }
  attributes.push([FRA_PRIORITY, u32(rule.priority)]);
  if (rule.table > 255) attributes.push([FRA_TABLE, u32(rule.table)]);
  return { header, attributes };
}

/** Adds a rule; EEXIST when the very same is there. */
export function addRule(rule: Rule): Request {
  return {
    type: RTM_NEWRULE,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    ...ruleParts(rule),
    operation: `add ${rule.family} rule ${rule.priority} to table ${rule.table}`,
  };
}

/** Deletes a rule; ENOENT when there is none. */
export function deleteRule(rule: Rule): Request {
  return {
    type: RTM_DELRULE,
    flags: 0,
    ...ruleParts(rule),
    operation: `delete ${rule.family} rule ${rule.priority} to table ${rule.table}`,
  };
}

export function dumpRules(family: 'ipv4' | 'ipv6'): Request {
  const header = Buffer.alloc(12);
  header.writeUInt8(family === 'ipv6' ? AF_INET6 : AF_INET, 0);
  return { type: RTM_GETRULE, flags: 0, header, attributes: [], operation: `list ${family} rules` };
}

export function parseRule(message: Message): Rule | undefined {
  if (message.type !== RTM_NEWRULE) return undefined;
  const { payload } = message;
  const a = parseAttributes(payload.subarray(12));
  const source = a.get(FRA_SRC);
  const mark = readU32(a.get(FRA_FWMARK));
  const mask = readU32(a.get(FRA_FWMASK));
  const action = payload.readUInt8(7);
  return {
    family: payload.readUInt8(0) === AF_INET6 ? 'ipv6' : 'ipv4',
    priority: readU32(a.get(FRA_PRIORITY)) ?? 0,
    table: readU32(a.get(FRA_TABLE)) ?? payload.readUInt8(4),
    ...(mark === undefined ? {} : { mark }),
    ...(mask === undefined || mask === 0xffff_ffff ? {} : { mask }),
    ...(source === undefined ? {} : { source: `${decodeAddress(source)}/${payload.readUInt8(2)}` }),
    ...(action === FR_ACT_TO_TBL ? {} : { action }),
  };
}
