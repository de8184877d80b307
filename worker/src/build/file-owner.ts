/** `--chown` of COPY and ADD, with the names of the image that is built. As in Docker, a user alone names its group as well. */
import { SwarmtsError } from '@swarmts/lib';
import { type Owner, ROOT } from '../userns/id-map.js';

export function ownerOf(spec: string, root: string, read: (root: string, path: string) => string): Owner {
  if (spec === '') return ROOT;
  const [user = '', group = user, ...more] = spec.split(':');
  if (more.length > 0 || user === '' || group === '') throw bad(`invalid chown string format: ${spec}`);
  return { uid: idOf('user', user, read(root, 'etc/passwd')), gid: idOf('group', group, read(root, 'etc/group')) };
}

function idOf(kind: 'user' | 'group', name: string, database: string): number {
  const entry = database.split('\n').find((line) => line.startsWith(`${name}:`));
  const text = entry?.split(':')[2] ?? name;
  if (!/^\d{1,10}$/.test(text)) {
    const id = kind === 'user' ? 'uid' : 'gid';
    throw bad(
      `unable to convert uid/gid chown string to host mapping: can't find ${id} for ${kind} ${name}: no such ${kind}: ${name}`,
    );
  }
  return Number(text);
}

function bad(message: string): SwarmtsError {
  return new SwarmtsError('invalid-argument', message);
}
