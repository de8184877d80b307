/**
 * Random ids from a seed: whatever the code under simulation draws from node:crypto comes from one generator, so that a run can be
 * repeated. For processes that do nothing but simulate.
 */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { type Random, seededRandom } from '@swarmts/lib';

export function seedIds(seed: number): void {
  const random: Random = seededRandom(seed ^ 0x5eed);
  const randomBytes = (n: number) => Buffer.from(Array.from({ length: n }, () => Math.floor(random() * 256)));
  Object.assign(crypto, { randomBytes });
  syncBuiltinESMExports();
}
