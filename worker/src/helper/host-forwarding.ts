/**
 * Whether the host forwards packets. Containers and the mesh need it; turning it on changes settings of every device, and all of them are
 * what they were before as soon as nobody needs it any more. What was before is kept in a file until then: the helper may die meanwhile.
 */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { errnoOf } from '@swarmts/lib';

const ROOT = '/proc/sys/net';
const SWITCH = { ipv4: 'ipv4/ip_forward', ipv6: 'ipv6/conf/all/forwarding' } as const;

type Family = keyof typeof SWITCH;
/** Settings below /proc/sys/net with their values, in the order in which they are to be written. */
type Settings = readonly (readonly [string, string])[];

export class HostForwarding {
  readonly #file: string | undefined;

  /** `file` is gone after a reboot, as the settings are. Without one nothing is restored: in namespaces that are thrown away. */
  constructor(file: string | undefined) {
    this.#file = file;
  }

  /** In the host's namespace. Cheap where it is on. */
  require(family: Family): void {
    if (read(SWITCH[family]) !== '0') return;
    const former = formerSettings(family);
    const known = this.#former();
    const names = new Set(known.map(([name]) => name));
    this.#remember([...known, ...former.filter(([name]) => !names.has(name))]);
    if (family === 'ipv6') for (const [name] of former) if (name.endsWith(ADVERTISEMENTS)) write(name, ALWAYS);
    write(SWITCH[family], '1');
  }

  /** Nobody needs it any more. */
  restore(): void {
    for (const [name, value] of this.#former()) write(name, value);
    if (this.#file !== undefined) rmSync(this.#file, { force: true });
  }

  #former(): Settings {
    if (this.#file === undefined || !existsSync(this.#file)) return [];
    // Written below.
    return JSON.parse(readFileSync(this.#file, 'utf8')) as Settings;
  }

  #remember(former: Settings): void {
    if (this.#file === undefined) return;
    const aside = `${this.#file}.new`;
    writeFileSync(aside, JSON.stringify(former), { mode: 0o600 });
    renameSync(aside, this.#file);
  }
}

const ADVERTISEMENTS = '/accept_ra';
/** Routers' advertisements are taken also by a host that forwards: it may have its own address from them. */
const ALWAYS = '2';

/** The switch comes first: writing it writes the same value for all devices. */
function formerSettings(family: Family): Settings {
  const devices = readdirSync(`${ROOT}/${family}/conf`);
  const of = (name: string) => devices.map((d) => `${family}/conf/${d}/${name}`);
  const forwarding = of('forwarding').filter((f) => f !== SWITCH[family] && read(f) === '1');
  const redirects = family === 'ipv4' ? ['ipv4/conf/all/accept_redirects'] : [];
  const advertisements = family === 'ipv6' ? of('accept_ra').filter((f) => read(f) === '1') : [];
  return [SWITCH[family], ...redirects, ...forwarding, ...advertisements].map((name) => [name, read(name)] as const);
}

/** '' for a device that has gone. */
function read(name: string): string {
  try {
    return readFileSync(`${ROOT}/${name}`, 'utf8').trim();
  } catch (e) {
    if (errnoOf(e) === 'ENOENT') return '';
    throw e;
  }
}

function write(name: string, value: string): void {
  try {
    writeFileSync(`${ROOT}/${name}`, value);
  } catch (e) {
    if (errnoOf(e) !== 'ENOENT') throw e;
  }
}
