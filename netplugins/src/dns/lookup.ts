/** What the name server answers to a question of one container, or that it must ask others. Pure. */
import { formatIp, parseIp, parseIpPrefix, prefixContains, type Random } from '@swarmts/lib';
import { encodeName, RecordType, ResponseCode } from './message.js';
import type { NetworkNames } from './names.js';

/** Names change when tasks do: nobody should keep them for long. */
export const TTL_SECONDS = 5;

export interface LookupResult {
  readonly code: number;
  readonly records: readonly Buffer[];
}

/** undefined: not ours, to be forwarded where that is allowed. */
export function lookUp(
  name: string,
  type: number,
  networks: readonly NetworkNames[],
  random: Random,
  cache: RecordCache = new RecordCache(),
): LookupResult | undefined {
  const reversed = addressOfPointer(name);
  if (reversed !== undefined) return lookUpPointer(reversed, type, networks);
  const found = find(name, networks);
  if (found === undefined) return undefined;
  const wanted = type === RecordType.A ? IPV4_BYTES : type === RecordType.AAAA ? IPV6_BYTES : 0;
  const records = cache.of(found).filter((bytes) => bytes.length === wanted);
  return { code: ResponseCode.noError, records: records.length > 1 ? shuffled(records, random) : records };
}

/** What a name stands for that the container alone has, and where that is looked for; undefined for other names. */
export function linkedNetwork(
  alias: string,
  networks: readonly NetworkNames[],
  links: Readonly<Record<string, Readonly<Record<string, string>>>>,
): { readonly name: string; readonly network: NetworkNames } | undefined {
  for (const network of networks) {
    const of = links[network.id] ?? {};
    const name = Object.hasOwn(of, alias) ? of[alias] : undefined;
    if (name !== undefined) return { name, network };
  }
  return undefined;
}

const IPV4_BYTES = 4;
const IPV6_BYTES = 16;

/** Addresses as bytes, made once per list: lists are replaced, never changed. */
export class RecordCache {
  readonly #byList = new WeakMap<readonly string[], readonly Buffer[]>();

  of(addresses: readonly string[]): readonly Buffer[] {
    const known = this.#byList.get(addresses);
    if (known) return known;
    const made = addresses.map(parseIp).map(({ family, value }) => {
      const digits = 2 * (family === 4 ? IPV4_BYTES : IPV6_BYTES);
      return Buffer.from(value.toString(16).padStart(digits, '0'), 'hex');
    });
    this.#byList.set(addresses, made);
    return made;
  }
}

/** By its name, on the container's networks in their order, or as NAME.NETWORK. */
function find(name: string, networks: readonly NetworkNames[]): readonly string[] | undefined {
  for (const n of networks) {
    const found = n.names.get(name);
    if (found) return found;
  }
  for (const n of networks) {
    const suffix = `.${n.name}`;
    const found = name.endsWith(suffix) ? n.names.get(name.slice(0, -suffix.length)) : undefined;
    if (found) return found;
  }
  return undefined;
}

function lookUpPointer(address: string, type: number, networks: readonly NetworkNames[]): LookupResult | undefined {
  const name = networks.map((n) => n.reverse.get(address)).find((x) => x !== undefined);
  if (name !== undefined) {
    return { code: ResponseCode.noError, records: type === RecordType.PTR ? [encodeName(name)] : [] };
  }
  // What lies in our own subnets is nobody else's business.
  const isOurs = networks.some((n) => n.subnets.some((s) => prefixContains(parseIpPrefix(s), parseIp(address))));
  return isOurs ? { code: ResponseCode.noSuchName, records: [] } : undefined;
}

/** The address in a name such as 5.0.1.10.in-addr.arpa; undefined for other names. */
export function addressOfPointer(name: string): string | undefined {
  const v4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/.exec(name);
  if (v4) {
    const parts = v4.slice(1).reverse();
    return parts.every((p) => Number(p) <= 255) ? parts.map(Number).join('.') : undefined;
  }
  const v6 = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name);
  if (!v6) return undefined;
  const digits = (v6[1] ?? '').split('.').reverse().join('');
  return formatIp({ family: 6, value: BigInt(`0x${digits}`) });
}

function shuffled<T>(items: readonly T[], random: Random): readonly T[] {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const [a, b] = [out[i], out[j]];
    if (a !== undefined && b !== undefined) [out[i], out[j]] = [b, a];
  }
  return out;
}
