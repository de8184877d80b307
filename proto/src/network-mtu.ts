/** How large packets of a network may be: `--opt com.docker.network.driver.mtu=1400`. 0 is no wish, as with Docker. */
import type { NetworkSpec } from './gen/types.js';

export const MTU_OPTION = 'com.docker.network.driver.mtu';
/** RFC 791; no device takes less. */
const SMALLEST = 68;
/** RFC 8200: with less Linux turns IPv6 off. */
const SMALLEST_IPV6 = 1_280;
const LARGEST = 65_535;

/** What the user asks for; undefined leaves it to the underlay. */
export function wishedMtu(options: Readonly<Record<string, string>>): number | undefined {
  const mtu = Number(options[MTU_OPTION] ?? 0);
  return Number.isInteger(mtu) && mtu >= SMALLEST && mtu <= LARGEST ? mtu : undefined;
}

/** What is wrong with the wish of a network that is to be made; undefined where nothing is. */
export function mtuProblem(spec: NetworkSpec): string | undefined {
  const text = spec.driver?.options[MTU_OPTION];
  const smallest = spec.ipv6Enabled ? SMALLEST_IPV6 : SMALLEST;
  if (text === undefined || /^0*$/.test(text)) return undefined;
  if (/^\d+$/.test(text) && Number(text) >= smallest && Number(text) <= LARGEST) return undefined;
  const where = spec.ipv6Enabled ? ' on a network with IPv6' : '';
  return `invalid ${MTU_OPTION} ${JSON.stringify(text)}: a number from ${smallest} to ${LARGEST}${where}`;
}
