/** Asks managers one after the other, until one answers or says what no other would say differently. */
import { SwarmtsError } from '@swarmts/lib';

/** Throws what the last one said, or the first that `isFinal` holds of; SwarmtsError 'unavailable' where nobody can be asked. */
export async function askInTurn<T>(
  addrs: readonly string[],
  ask: (addr: string) => Promise<T>,
  isFinal: (e: unknown) => boolean,
): Promise<T> {
  let last: unknown = new SwarmtsError('unavailable', 'no manager is known: name one as HOST:PORT');
  for (const addr of addrs) {
    try {
      return await ask(addr);
    } catch (e) {
      last = e;
      if (isFinal(e)) throw e;
    }
  }
  throw last;
}
