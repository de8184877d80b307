/** The name that a container's interface on one network is to have, which is given among the options of its place there. Pure. */
import { SwarmtsError } from '@swarmts/lib';

export const ENDPOINT_IFNAME = 'com.docker.network.endpoint.ifname';
const MAX_NAME_BYTES = 15;
/** The loopback, and the way out of containers on networks of users. */
const OWN: ReadonlySet<string> = new Set(['lo', 'gw', '.', '..']);

/** Throws 'invalid-argument'; `what` names the wish. */
export function checkInterfaceName(name: string, what: string): void {
  const why =
    Buffer.byteLength(name) > MAX_NAME_BYTES
      ? `it has more than ${MAX_NAME_BYTES} bytes`
      : /[\s/:%]/.test(name)
        ? 'it has characters that names of interfaces cannot have'
        : OWN.has(name)
          ? 'the name is taken'
          : '';
  if (why !== '') throw new SwarmtsError('invalid-argument', `invalid ${what}: ${why}`);
}
