import { parseIp } from '@swarmts/lib';

const LAST_FOUR_BYTES = 0xffff_ffffn;

/** A locally administered MAC made of the address: as unique as that one where it is of IPv4, or of a /96 of IPv6. */
export function macOf(address: string): string {
  const digits = (parseIp(address).value & LAST_FOUR_BYTES).toString(16).padStart(8, '0');
  return ['02', '42', ...(digits.match(/../g) ?? [])].join(':');
}
