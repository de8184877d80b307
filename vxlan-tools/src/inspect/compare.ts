/** Expected against actual: what is missing, what is there and should not be, what is otherwise. Pure. */
import type { NamespaceReport, VxlanReport } from './report.js';

const LISTS = ['fdb', 'neighbours', 'routes'] as const;
const VALUES = ['port', 'local', 'mtu', 'up', 'learning'] as const;

/** One line per difference; none: all is as expected. Devices are told by namespace and VNI. */
export function compareReports(expected: readonly NamespaceReport[], actual: readonly NamespaceReport[]): string[] {
  const there = new Map<string, VxlanReport>(
    actual.flatMap((n) => n.vxlans.map((v) => [`${n.netns} vni ${v.vni}`, v] as const)),
  );
  const differences: string[] = [];
  for (const n of expected) {
    for (const want of n.vxlans) {
      const key = `${n.netns} vni ${want.vni}`;
      const found = there.get(key);
      there.delete(key);
      if (!found) differences.push(`${key.trim()}: missing`);
      else differences.push(...compareDevice(want, found).map((d) => `${key.trim()}: ${d}`));
    }
  }
  for (const key of there.keys()) differences.push(`${key.trim()}: not expected`);
  return differences;
}

function compareDevice(want: VxlanReport, found: VxlanReport): string[] {
  const values = VALUES.filter((k) => want[k] !== found[k]).map((k) => `${k} is ${found[k]}, expected ${want[k]}`);
  const lists = LISTS.flatMap((k) => [
    ...want[k].filter((x) => !found[k].includes(x)).map((x) => `${k}: missing ${x}`),
    ...found[k].filter((x) => !want[k].includes(x)).map((x) => `${k}: not expected ${x}`),
  ]);
  return [...values, ...lists];
}
