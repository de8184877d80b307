/** Which addresses the machine of a node is reached by, as far as the managers know. */
import { isIP } from 'node:net';
import type { Node } from '@swarmts/proto';

/** Of its data path, once its agent has said where that is, and of its manager; a name that it advertises is none. */
export function machineAddressesOf(node: Node): readonly string[] {
  const all = [node.status?.addr ?? '', hostOf(node.managerStatus?.addr ?? '')];
  return [...new Set(all.filter((a) => isIP(a) !== 0))];
}

const hostOf = (hostPort: string) => hostPort.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
