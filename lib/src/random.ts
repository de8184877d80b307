/** Seeded randomness for simulations and reproducible choices, and random ids. */
import { randomBytes } from 'node:crypto';
import type { Random } from './clock.js';

/** A small fast generator (mulberry32, public domain algorithm); same seed, same sequence. */
export function seededRandom(seed: number): Random {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = a;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const ID_LENGTH = 25;

/** A new object id as Swarm's: 25 characters of base 36, from 128 random bits. */
export function newId(bytes: (n: number) => Uint8Array = randomBytes): string {
  let n = 0n;
  for (const b of bytes(16)) n = (n << 8n) | BigInt(b);
  return n.toString(36).padStart(ID_LENGTH, '0').slice(-ID_LENGTH);
}

/** A random hexadecimal id of 64 characters, as Docker's container ids. */
export function newHexId(): string {
  return randomBytes(32).toString('hex');
}
