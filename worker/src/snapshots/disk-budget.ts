/**
 * What an archive may put on the disk. Its own headers and its compression say nothing reliable about that, so it is counted
 * while it is written: no layer is larger than the limit, and none takes the last of the disk, which the node needs to go on.
 */
import { statfsSync } from 'node:fs';
import { SwarmtsError } from '@swarmts/lib';

export interface DiskLimits {
  readonly maxBytes: number;
  /** Files, directories, links. */
  readonly maxEntries: number;
  /** Stays free. */
  readonly reserveBytes: number;
}

const GIB = 2 ** 30;
const MIB = 2 ** 20;
/** Far above any image that anybody runs; at the end of it the archive is refused. */
const MAX_BYTES = 64 * GIB;
const MAX_ENTRIES = 4_000_000;
const RESERVE_BYTES = 64 * MIB;
/** Small disks keep less. */
const RESERVE_SHARE = 0.05;
/** The disk is asked once per this many bytes. */
const CHECK_BYTES = 32 * MIB;

export class DiskBudget {
  readonly #path: string;
  readonly #limits: DiskLimits;
  #bytes = 0;
  #entries = 0;
  #checkAt = 0;

  constructor(path: string, limits: DiskLimits = defaultLimits(path)) {
    this.#path = path;
    this.#limits = limits;
  }

  /** Before an entry of so many bytes is written. */
  entry(name: string, bytes: number): void {
    const { maxEntries, maxBytes } = this.#limits;
    if (++this.#entries > maxEntries) throw new SwarmtsError('corrupt', `archive with more than ${maxEntries} entries`);
    if (this.#bytes + bytes > maxBytes) {
      throw new SwarmtsError(
        'corrupt',
        `'${name}' makes the archive larger than ${maxBytes} bytes when it is unpacked`,
      );
    }
    this.#bytes += bytes;
  }

  /** While content is written: `bytes` have reached the disk. */
  written(bytes: number): void {
    this.#checkAt -= bytes;
    if (this.#checkAt > 0) return;
    this.#checkAt = CHECK_BYTES;
    const { bavail, bsize } = statfsSync(this.#path);
    if (bavail * bsize < this.#limits.reserveBytes) {
      throw new SwarmtsError(
        'no-space',
        `no space left on device: less than ${this.#limits.reserveBytes} bytes would stay free at ${this.#path}`,
      );
    }
  }
}

function defaultLimits(path: string): DiskLimits {
  const { blocks, bsize } = statfsSync(path);
  const reserveBytes = Math.min(RESERVE_BYTES, Math.floor(blocks * bsize * RESERVE_SHARE));
  return { maxBytes: MAX_BYTES, maxEntries: MAX_ENTRIES, reserveBytes };
}
