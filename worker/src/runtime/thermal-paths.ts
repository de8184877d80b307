/** What counts the times that a processor became too hot: other tenants' work can be told from it. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const CPUS = '/sys/devices/system/cpu';
let known: readonly string[] | undefined;

/** Of the processors that there were first. */
export function thermalPaths(): readonly string[] {
  known ??= thermalPathsIn(CPUS);
  return known;
}

export function thermalPathsIn(cpus: string): readonly string[] {
  if (!existsSync(cpus)) return [];
  return readdirSync(cpus)
    .filter((name) => /^cpu\d+$/.test(name))
    .map((name) => join(cpus, name, 'thermal_throttle'))
    .filter((path) => existsSync(path));
}
