/** Containment of an address in a CIDR prefix, IPv4 and IPv6. */
import { BlockList, isIP } from 'node:net';

/** False for anything that is not a prefix or not an address. */
export function cidrContains(cidr: string, address: string): boolean {
  const [base = '', bits = ''] = cidr.split('/');
  const family = isIP(base);
  const length = Number(bits);
  if (family === 0 || isIP(address) !== family || !/^\d+$/.test(bits) || length > (family === 4 ? 32 : 128))
    return false;
  const list = new BlockList();
  const type = family === 4 ? 'ipv4' : 'ipv6';
  list.addSubnet(base, length, type);
  return list.check(address, type);
}
