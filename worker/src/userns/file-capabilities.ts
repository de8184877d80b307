/**
 * The attribute `security.capability` (capabilities.7, linux/capability.h). Revision 2 counts outside of user namespaces alone; revision 3
 * names the root of the one that it counts in. Archives have revision 2. Values are byte strings.
 */
import { type IdMaps, idInside, ownerOnHost, ROOT } from './id-map.js';

export const CAPABILITY_XATTR = 'security.capability';

const REVISION_MASK = 0xff000000;
const REVISION_2 = 0x02000000;
const REVISION_3 = 0x03000000;
const REVISION_2_BYTES = 20;
const REVISION_3_BYTES = 24;

/** As it has to be on disk so that it counts for containers with these maps. */
export function capabilityOnHost(maps: IdMaps | undefined, value: string): string {
  const bytes = Buffer.from(value, 'latin1');
  if (!maps || bytes.length !== REVISION_2_BYTES || revisionOf(bytes) !== REVISION_2) return value;
  const out = Buffer.alloc(REVISION_3_BYTES);
  bytes.copy(out);
  setRevision(out, REVISION_3);
  out.writeUInt32LE(ownerOnHost(maps, ROOT).uid, REVISION_2_BYTES);
  return out.toString('latin1');
}

/** As archives have it; one that belongs to the root of another namespace stays as it is. */
export function capabilityInside(maps: IdMaps | undefined, value: string): string {
  const bytes = Buffer.from(value, 'latin1');
  if (!maps || bytes.length !== REVISION_3_BYTES || revisionOf(bytes) !== REVISION_3) return value;
  if (idInside(maps.uids, bytes.readUInt32LE(REVISION_2_BYTES)) !== ROOT.uid) return value;
  setRevision(bytes, REVISION_2);
  return bytes.toString('latin1', 0, REVISION_2_BYTES);
}

function revisionOf(bytes: Buffer): number {
  return (bytes.readUInt32LE(0) & REVISION_MASK) >>> 0;
}

function setRevision(bytes: Buffer, revision: number): void {
  bytes.writeUInt32LE(((bytes.readUInt32LE(0) & ~REVISION_MASK) | revision) >>> 0, 0);
}
