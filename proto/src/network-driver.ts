/** Which driver makes a network. */
import type { Network } from './gen/index.js';

/** Name of the driver of a network; one that is nothing but a configuration has none. */
export function networkDriver({ spec, driverState }: Network): string {
  if (spec?.configOnly) return 'null';
  return driverState?.name || spec?.driver?.name || 'overlay';
}
