/** A node that is rid of its containers again: nothing of them may be left. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { api } from '../client.js';
import type { Lab } from '../lab/lab.js';
import { waitFor } from '../wait.js';
import { ok } from './testing.js';

/** So many removals at a time. */
const IN_FLIGHT = 8;

/** Removes all containers of a node and looks for processes, mounts and links of theirs. */
export async function emptyNode(lab: Lab, node: string, timeoutMs: number): Promise<void> {
  const socket = lab.socket(node);
  const all = () => api<readonly { readonly Id: string }[]>(socket, 'GET', '/containers/json?all=1');
  const left = [...(await all())];
  const remove = async () => {
    for (let c = left.pop(); c; c = left.pop()) await api(socket, 'DELETE', `/containers/${c.Id}?force=1&v=1`);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, remove));
  assert.deepEqual(await all(), []);
  await waitFor('the node runs nothing but swarmts', timeoutMs, () =>
    lab.processes(node).every((p) => /swarmts/.test(commandOf(p)) || commandOf(p) === ''),
  );
  const own = [lab.dataRoot(node), lab.execRoot(node)];
  const mounts = ok(await lab.exec(node, ['cat', '/proc/self/mountinfo'])).split('\n');
  assert.deepEqual(
    mounts.filter((l) => own.some((root) => l.includes(root)) && /\/(containers|netns|files)\/[0-9a-f]{64}/.test(l)),
    [],
  );
  assert.doesNotMatch(ok(await lab.exec(node, ['ip', '-o', 'link'])), /swl[0-9a-f]{6,}/);
}

/** Program and first argument. */
export function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, 2).join(' ');
  } catch {
    return '';
  }
}
