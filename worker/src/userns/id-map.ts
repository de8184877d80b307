/**
 * Ids inside of a user namespace and the ids of the machine that stand for them. What containers in such a namespace own is kept on
 * disk with the machine's ids, as Docker does it; archives, images and everything that users see have those of the inside. Pure.
 */
import { SwarmtsError } from '@swarmts/lib';

export interface IdRange {
  readonly containerId: number;
  readonly hostId: number;
  readonly size: number;
}

/** Plain data: children get it with their requests. */
export interface IdMaps {
  readonly uids: readonly IdRange[];
  readonly gids: readonly IdRange[];
}

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export const ROOT: Owner = { uid: 0, gid: 0 };

/** What the kernel shows of an id that a namespace does not have. */
const OVERFLOW_ID = 65534;

/** Without maps there is no namespace, and ids are what they are. Throws SwarmtsError 'invalid-argument' for ids without a place. */
export function ownerOnHost(maps: IdMaps | undefined, { uid, gid }: Owner): Owner {
  if (!maps) return { uid, gid };
  return { uid: hostId(maps.uids, uid), gid: hostId(maps.gids, gid) };
}

/** An owner that the namespace does not have is shown as the kernel shows it. */
export function ownerInside(maps: IdMaps | undefined, { uid, gid }: Owner): Owner {
  if (!maps) return { uid, gid };
  return { uid: idInside(maps.uids, uid) ?? OVERFLOW_ID, gid: idInside(maps.gids, gid) ?? OVERFLOW_ID };
}

/** Undefined for an id that the namespace does not have. */
export function idInside(ranges: readonly IdRange[], id: number): number | undefined {
  const range = ranges.find((r) => id >= r.hostId && id < r.hostId + r.size);
  return range && id - range.hostId + range.containerId;
}

/** How many ids there are inside, from 0 on. */
export function mappedIds(ranges: readonly IdRange[]): number {
  return Math.max(0, ...ranges.map((r) => r.containerId + r.size));
}

function hostId(ranges: readonly IdRange[], id: number): number {
  const range = ranges.find((r) => id >= r.containerId && id < r.containerId + r.size);
  if (range) return id - range.containerId + range.hostId;
  const room = `the user namespace has ids up to ${mappedIds(ranges) - 1}`;
  throw new SwarmtsError('invalid-argument', `Container ID ${id} cannot be mapped to a host ID: ${room}`);
}
