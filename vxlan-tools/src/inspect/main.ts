/**
 * `vxlan-inspect [--json] [--expect FILE] [NETNS...]`: the VXLAN devices of namespaces (files), or of the present one. With --expect it
 * compares with what --json printed before, and ends with 1 where something differs.
 */
import { readFileSync } from 'node:fs';
import { withNetns } from '../namespace.js';
import { compareReports } from './compare.js';
import { type NamespaceReport, readVxlans, type VxlanReport } from './report.js';

const USAGE = `usage: vxlan-inspect [--json] [--expect FILE] [NETNS...]

Shows the VXLAN devices of network namespaces (files such as /run/netns/NAME), or of the present one: VNI, underlay address,
where frames go, and which routes lead there. --json prints a report that --expect compares with later: exit code 1 when
something differs.
`;

export interface Arguments {
  readonly json: boolean;
  readonly expect: string;
  readonly namespaces: readonly string[];
}

/** undefined for --help and for what is no command line. */
export function parseInspectArguments(argv: readonly string[]): Arguments | undefined {
  let json = false;
  let expect = '';
  const namespaces: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? '';
    if (word === '--json') json = true;
    else if (word === '--expect' && argv[i + 1] !== undefined) expect = argv[++i] ?? '';
    else if (word.startsWith('-')) return undefined;
    else namespaces.push(word);
  }
  return { json, expect, namespaces };
}

export function formatReports(reports: readonly NamespaceReport[]): string {
  const text = reports.map((n) => {
    const head = n.netns === '' ? [] : [n.netns];
    return [...head, ...(n.vxlans.length === 0 ? ['  no VXLAN device'] : n.vxlans.flatMap(formatDevice))].join('\n');
  });
  return `${text.join('\n\n')}\n`;
}

function formatDevice(v: VxlanReport): string[] {
  const state = `${v.up ? 'up' : 'down'}, mtu ${v.mtu}${v.learning ? ', learning' : ''}`;
  const section = (title: string, lines: readonly string[]) => lines.map((l) => `    ${title.padEnd(10)} ${l}`);
  return [
    `  ${v.device}: vni ${v.vni}, from ${v.local || 'any address'} port ${v.port}, ${state}`,
    ...section('frames', v.fdb),
    ...section('neighbour', v.neighbours),
    ...section('route', v.routes),
  ];
}

/** Exit code of the program. */
export function runInspect(argv: readonly string[], write: (text: string) => void): number {
  const args = parseInspectArguments(argv);
  if (!args) {
    write(USAGE);
    return argv.includes('--help') || argv.includes('-h') ? 0 : 2;
  }
  const { namespaces } = args;
  const reports: NamespaceReport[] =
    namespaces.length === 0
      ? [{ netns: '', vxlans: readVxlans() }]
      : namespaces.map((netns) => ({ netns, vxlans: withNetns(netns, readVxlans) }));
  if (args.expect === '') {
    write(args.json ? `${JSON.stringify(reports, undefined, 2)}\n` : formatReports(reports));
    return 0;
  }
  // Printed by --json, perhaps edited: what does not fit shows up as a difference.
  const expected = JSON.parse(readFileSync(args.expect, 'utf8')) as readonly NamespaceReport[];
  const differences = compareReports(expected, reports);
  write(differences.length === 0 ? 'all is as expected\n' : `${differences.join('\n')}\n`);
  return differences.length === 0 ? 0 : 1;
}
