/** For lists: what somebody removes while it is looked at is left out. */
import { isSwarmtsError } from '@swarmts/lib';

/** undefined where what was asked for is not there any more. */
export async function unlessGone<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (e) {
    if (isSwarmtsError(e, 'not-found')) return undefined;
    throw e;
  }
}
