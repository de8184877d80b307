/** Versions of OCI runtimes that let containers out. Pure. */

interface Advisory {
  readonly program: 'runc' | 'crun';
  readonly name: string;
  /** The first version of each series that is mended; older series are open. */
  readonly mended: readonly string[];
}

const ADVISORIES: readonly Advisory[] = [
  { program: 'runc', name: 'CVE-2019-5736', mended: ['1.0.0'] },
  { program: 'runc', name: 'CVE-2021-30465', mended: ['1.0.0'] },
  { program: 'runc', name: 'CVE-2024-21626', mended: ['1.1.12'] },
  { program: 'runc', name: 'CVE-2025-31133', mended: ['1.2.8', '1.3.3', '1.4.0'] },
  { program: 'runc', name: 'CVE-2025-52565', mended: ['1.2.8', '1.3.3', '1.4.0'] },
  { program: 'runc', name: 'CVE-2025-52881', mended: ['1.2.8', '1.3.3', '1.4.0'] },
  { program: 'crun', name: 'CVE-2019-18837', mended: ['0.10.5'] },
  { program: 'crun', name: 'CVE-2022-27650', mended: ['1.4.4'] },
];

export interface RuntimeVersion {
  /** As the program says it. */
  readonly version: string;
  /** Escapes that this version is known for. */
  readonly escapes: readonly string[];
  /** Distributions mend without changing the number: then nothing is sure but their changelog. */
  readonly distribution: boolean;
}

/** `text` is what `runc --version` or `crun --version` prints; undefined when it names neither. */
export function runtimeVersion(text: string): RuntimeVersion | undefined {
  const m = /^(runc|crun) version (\S+)/m.exec(text);
  if (!m) return undefined;
  const [, program, version = ''] = m;
  const commit = /^commit: (\S+)/m.exec(text)?.[1] ?? '';
  const escapes = ADVISORIES.filter((a) => a.program === program && isOpen(version, a.mended)).map((a) => a.name);
  return { version, escapes, distribution: /[+~](ds|deb|dfsg|ubuntu)|-\d+(ubuntu|\+deb)/.test(`${version} ${commit}`) };
}

function isOpen(version: string, mended: readonly string[]): boolean {
  const own = numbersOf(version);
  const [first = [0, 0, 0]] = mended.map(numbersOf);
  const series = mended.map(numbersOf).find(([major, minor]) => major === own[0] && minor === own[1]);
  return compare(own, series ?? first) < 0;
}

function numbersOf(version: string): [number, number, number] {
  const [major = 0, minor = 0, patch = 0] = (/^\d+(\.\d+)*/.exec(version)?.[0] ?? '').split('.').map(Number);
  return [major, minor, patch];
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [i, n] of a.entries()) if (n !== b[i]) return n - (b[i] ?? 0);
  return 0;
}
