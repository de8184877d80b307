/** Sends a request to make or join a swarm, and says which flag helps where the daemon cannot tell which address to advertise. */
import type { Context } from '../../context.js';
import { CommandError, errorText } from '../../exit.js';

const NO_ADDRESS = /could not choose an IP address to advertise|could not find the system's IP address/;

export async function postMembership<T>(ctx: Context, path: '/swarm/init' | '/swarm/join', body: object): Promise<T> {
  try {
    return await ctx.api.post<T>(path, body);
  } catch (e) {
    if (!NO_ADDRESS.test(errorText(e))) throw e;
    throw new CommandError(`${errorText(e)} - specify one with --advertise-addr`);
  }
}
