/**
 * Addresses of one IPv4 subnet by owner. An address has one owner at a time, freed ones are handed out again as late as
 * possible (a peer may still have the old owner in its caches), and a full pool is an error at once.
 */
import { isIPv4 } from 'node:net';
import { SwarmtsError } from '@swarmts/lib';

export class AddressPool {
  readonly subnet: string;
  readonly prefixLength: number;
  /** The first address of the subnet. */
  readonly gateway: string;
  readonly #first: number;
  readonly #size: number;
  readonly #byOwner = new Map<string, number>();
  readonly #owners = new Map<number, string>();
  #next = 0;

  /** `subnet` is a prefix such as "172.30.0.0/16", of at most 30 bits. */
  constructor(subnet: string) {
    const [address = '', bits = ''] = subnet.split('/');
    const prefixLength = Number(bits);
    if (!isIPv4(address) || bits === '' || !Number.isInteger(prefixLength) || prefixLength < 8 || prefixLength > 30) {
      throw new SwarmtsError('invalid-argument', `${JSON.stringify(subnet)} is not an IPv4 subnet of 8 to 30 bits`);
    }
    const hosts = 2 ** (32 - prefixLength);
    const base = Math.floor(toNumber(address) / hosts) * hosts;
    this.prefixLength = prefixLength;
    this.subnet = `${toText(base)}/${prefixLength}`;
    this.gateway = toText(base + 1);
    this.#first = base + 2;
    // Without the network's address, the gateway's and the broadcast address.
    this.#size = hosts - 3;
  }

  get capacity(): number {
    return this.#size;
  }

  get used(): number {
    return this.#owners.size;
  }

  /** The owner's address; the same one again when it has one. */
  allocate(owner: string): string {
    const known = this.#byOwner.get(owner);
    if (known !== undefined) return toText(known);
    if (this.#owners.size >= this.#size) {
      throw new SwarmtsError('resource-exhausted', `all ${this.#size} addresses of ${this.subnet} are in use`);
    }
    while (this.#owners.has(this.#first + this.#next)) this.#advance();
    const address = this.#first + this.#next;
    this.#advance();
    this.#give(owner, address);
    return toText(address);
  }

  /** Gives the owner the very address that it had before; 'conflict' when it belongs to somebody else. */
  claim(owner: string, address: string): void {
    const n = isIPv4(address) ? toNumber(address) : Number.NaN;
    if (!(n >= this.#first && n < this.#first + this.#size)) {
      throw new SwarmtsError('invalid-argument', `${address} is not an address for containers in ${this.subnet}`);
    }
    const holder = this.#owners.get(n);
    if (holder !== undefined && holder !== owner) {
      throw new SwarmtsError('conflict', `address ${address} belongs to container ${holder}`);
    }
    this.release(owner);
    this.#give(owner, n);
  }

  release(owner: string): void {
    const address = this.#byOwner.get(owner);
    if (address === undefined) return;
    this.#byOwner.delete(owner);
    this.#owners.delete(address);
  }

  #give(owner: string, address: number): void {
    this.#byOwner.set(owner, address);
    this.#owners.set(address, owner);
  }

  #advance(): void {
    this.#next = (this.#next + 1) % this.#size;
  }
}

function toNumber(address: string): number {
  return address.split('.').reduce((n, part) => n * 256 + Number(part), 0);
}

function toText(n: number): string {
  return [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255].join('.');
}

/** A locally administered MAC made of the IPv4 address, so that it is as unique as that one. */
export function macOf(address: string): string {
  return ['02', '42', ...address.split('.').map((part) => Number(part).toString(16).padStart(2, '0'))].join(':');
}
