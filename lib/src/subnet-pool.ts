/**
 * The addresses of one subnet by owner. An address has one owner at a time, freed ones are handed out again as late as
 * possible (a peer may still have the old owner in its caches), and a full pool is an error at once. Pure and in memory: what
 * is in use is derived from the store.
 */
import { SwarmtsError } from './errors.js';
import {
  formatIp,
  type IpAddress,
  type IpPrefix,
  parseIp,
  parseIpPrefix,
  prefixContains,
  prefixSize,
} from './ip-prefix.js';

export interface SubnetPoolOptions {
  readonly subnet: IpPrefix;
  /** Part of the subnet that addresses are chosen from; fixed ones may lie outside of it. */
  readonly range?: IpPrefix;
  /** Never handed out: the gateway, auxiliary addresses. */
  readonly reserved: readonly string[];
}

/** A subnet as networks have it in their configuration; '' where something is not given. */
export interface SubnetConfig {
  readonly subnet: string;
  readonly ipRange: string;
  readonly gateway: string;
  readonly reserved: Readonly<Record<string, string>>;
}

export class SubnetPool {
  static of(c: SubnetConfig): SubnetPool {
    return new SubnetPool({
      subnet: parseIpPrefix(c.subnet),
      ...(c.ipRange === '' ? {} : { range: parseIpPrefix(c.ipRange) }),
      reserved: [c.gateway, ...Object.values(c.reserved)],
    });
  }

  readonly subnet: IpPrefix;
  readonly #first: bigint;
  readonly #size: bigint;
  readonly #reserved: ReadonlySet<bigint>;
  readonly #byOwner = new Map<string, bigint>();
  readonly #owners = new Map<bigint, string>();
  /** Addresses in use or reserved inside of the part that is chosen from. */
  #taken = 0n;
  #next = 0n;

  constructor(o: SubnetPoolOptions) {
    this.subnet = o.subnet;
    const range = o.range ?? o.subnet;
    const edges = edgesOf(o.subnet);
    this.#reserved = new Set([...edges, ...o.reserved.map((r) => parseIp(r).value)]);
    this.#first = range.base;
    this.#size = prefixSize(range);
    for (const r of this.#reserved) if (this.#inRange(r)) this.#taken++;
  }

  get used(): number {
    return this.#owners.size;
  }

  /** Addresses that nobody else can have: in use, or reserved. */
  get taken(): bigint {
    return BigInt(this.#owners.size + this.#reserved.size);
  }

  /** Addresses that are left to be chosen from. */
  get available(): bigint {
    return this.#size - this.#taken;
  }

  /** The owner's address; the same one again when it has one. Throws 'resource-exhausted' when none is left. */
  allocate(owner: string): string {
    const known = this.#byOwner.get(owner);
    if (known !== undefined) return this.#text(known);
    if (this.#taken >= this.#size) throw new SwarmtsError('resource-exhausted', `all addresses of ${this} are in use`);
    let address = this.#first + this.#next;
    while (this.#owners.has(address) || this.#reserved.has(address)) {
      this.#next = (this.#next + 1n) % this.#size;
      address = this.#first + this.#next;
    }
    this.#next = (this.#next + 1n) % this.#size;
    this.#give(owner, address);
    return this.#text(address);
  }

  /** Gives the owner this very address: 'conflict' when it has another owner, 'invalid-argument' when it cannot be had. */
  claim(owner: string, address: string): string {
    const ip = parseIp(address);
    if (!prefixContains(this.subnet, ip) || this.#reserved.has(ip.value)) {
      throw new SwarmtsError('invalid-argument', `${address} is not an address for containers in ${this}`);
    }
    const holder = this.#owners.get(ip.value);
    if (holder !== undefined && holder !== owner) throw new SwarmtsError('conflict', `address ${address} is in use`);
    if (holder === undefined) {
      this.release(owner);
      this.#give(owner, ip.value);
    }
    return this.#text(ip.value);
  }

  release(owner: string): boolean {
    const address = this.#byOwner.get(owner);
    if (address === undefined) return false;
    this.#byOwner.delete(owner);
    this.#owners.delete(address);
    if (this.#inRange(address)) this.#taken--;
    return true;
  }

  toString(): string {
    return `${formatIp({ family: this.subnet.family, value: this.subnet.base })}/${this.subnet.bits}`;
  }

  #give(owner: string, address: bigint): void {
    this.#byOwner.set(owner, address);
    this.#owners.set(address, owner);
    if (this.#inRange(address)) this.#taken++;
  }

  #inRange(address: bigint): boolean {
    return address >= this.#first && address < this.#first + this.#size;
  }

  #text(value: bigint): string {
    return formatIp({ family: this.subnet.family, value } satisfies IpAddress);
  }
}

/** Never anybody's: the subnet's own address, and for IPv4 the broadcast address. */
export function edgesOf(subnet: IpPrefix): readonly bigint[] {
  return subnet.family === 4 ? [subnet.base, subnet.base + prefixSize(subnet) - 1n] : [subnet.base];
}
