/** The working directory of a container is made in its own files, below whatever is mounted over them. */
import { lchownSync, mkdirSync } from 'node:fs';
import type { Owner } from '../userns/id-map.js';
import { byteString, bytesOf, kindOf, resolveScoped } from './scoped-path.js';

const MODE = 0o755;

/** False where something else has the name. Links lead no further than the root. */
export function makeWorkingDir(rootfs: string, path: string, owner: Owner): boolean {
  const root = byteString(rootfs);
  const inside = resolveScoped(root, byteString(path), { createParents: owner, followLast: true });
  const kind = kindOf(`${root}/${inside}`);
  if (kind === 'missing') {
    mkdirSync(bytesOf(`${root}/${inside}`), { recursive: true, mode: MODE });
    lchownSync(bytesOf(`${root}/${inside}`), owner.uid, owner.gid);
  }
  return kind === 'missing' || kind === 'directory';
}
