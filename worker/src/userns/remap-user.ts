/**
 * Whose ids containers have: `--userns-remap USER[:GROUP]`, as dockerd's. The ids that the user may give away are those in
 * /etc/subuid and /etc/subgid; with "default" a user for that is made where there is none.
 */
import { readFileIfThere, SwarmtsError } from '@swarmts/lib';
import type { RunResult } from '../helper/helper-api.js';
import type { IdMaps } from './id-map.js';
import { freeRange, idRangesOf, parseSubordinateIds, RANGE_SIZE } from './subordinate-ids.js';

/** The user that "default" stands for; Docker's, so that a machine that had it keeps its ids. */
export const DEFAULT_REMAP_USER = 'dockremap';
const DEFAULT = 'default';

export interface RemapHost {
  /** Runs a program of the machine. */
  readonly run: (argv: readonly string[]) => Promise<Pick<RunResult, 'code' | 'stdout' | 'stderr'>>;
  /** Default: the machine's files. */
  readonly subuid?: string;
  readonly subgid?: string;
}

interface Account {
  readonly name: string;
  readonly id: string;
}

/** Undefined for root, who stays who it is. Throws SwarmtsError 'invalid-argument' for users without subordinate ids. */
export async function remappedIds(spec: string, host: RemapHost): Promise<IdMaps | undefined> {
  const [user = '', group, ...more] = spec.split(':');
  if (more.length > 0 || user === '' || group === '') {
    throw refused(`invalid user/group specification in --userns-remap: ${JSON.stringify(spec)}: use USER[:GROUP]`);
  }
  const account = user === DEFAULT ? await defaultAccount(host) : await lookUp(host, 'passwd', user);
  if (account.name === 'root') return undefined;
  const groupAccount = await lookUp(host, 'group', group ?? (user === DEFAULT ? account.name : user));
  if (user === DEFAULT) await giveDefaultRange(host, account.name);
  const files = await readRanges(host);
  return {
    uids: requireRanges(idRangesOf(files.uids, [account.name, account.id]), account.name, files.subuid),
    gids: requireRanges(
      idRangesOf(files.gids, [groupAccount.name, groupAccount.id, account.name]),
      groupAccount.name,
      files.subgid,
    ),
  };
}

async function defaultAccount(host: RemapHost): Promise<Account> {
  const known = await find(host, 'passwd', DEFAULT_REMAP_USER);
  if (known) return known;
  const useradd = ['useradd', '--system', '--user-group', '--no-create-home', '--shell', '/bin/false'];
  await must(host, [...useradd, DEFAULT_REMAP_USER]);
  return lookUp(host, 'passwd', DEFAULT_REMAP_USER);
}

/** useradd gives none to users of the system. */
async function giveDefaultRange(host: RemapHost, name: string): Promise<void> {
  const { uids, gids } = await readRanges(host);
  const first = freeRange(uids, gids);
  const range = `${first}-${first + RANGE_SIZE - 1}`;
  const missing = [
    ...(uids.some((r) => r.owner === name) ? [] : ['--add-subuids', range]),
    ...(gids.some((r) => r.owner === name) ? [] : ['--add-subgids', range]),
  ];
  if (missing.length > 0) await must(host, ['usermod', ...missing, name]);
}

async function readRanges({ subuid = '/etc/subuid', subgid = '/etc/subgid' }: RemapHost) {
  const read = async (path: string) => parseSubordinateIds((await readFileIfThere(path)) ?? '');
  return { uids: await read(subuid), gids: await read(subgid), subuid, subgid };
}

function requireRanges(ranges: IdMaps['uids'], name: string, file: string): IdMaps['uids'] {
  if (ranges.length > 0) return ranges;
  throw refused(`no subordinate ids for ${name} in ${file}: add a line such as ${name}:${FREE_EXAMPLE}:${RANGE_SIZE}`);
}

const FREE_EXAMPLE = 165_536;

async function lookUp(host: RemapHost, database: 'passwd' | 'group', key: string): Promise<Account> {
  const found = await find(host, database, key);
  if (found) return found;
  const what = database === 'passwd' ? 'user' : 'group';
  throw refused(`--userns-remap: ${JSON.stringify(key)} has no entry in /etc/${database}: name a ${what} that exists`);
}

/** By name or number, wherever the machine keeps its users. */
async function find(host: RemapHost, database: 'passwd' | 'group', key: string): Promise<Account | undefined> {
  const { code, stdout } = await host.run(['getent', database, key]);
  const [name = '', , id = ''] = Buffer.from(stdout).toString('utf8').trim().split(':');
  return code === 0 && name !== '' ? { name, id } : undefined;
}

async function must(host: RemapHost, argv: readonly string[]): Promise<void> {
  const { code, stderr } = await host.run(argv);
  if (code === 0) return;
  const why = Buffer.from(stderr).toString('utf8').trim() || `exit code ${code}`;
  const way = `make a user with subordinate ids yourself, and name it with --userns-remap`;
  throw new SwarmtsError('failed-precondition', `${argv.join(' ')}: ${why}: ${way}`);
}

function refused(message: string): SwarmtsError {
  return new SwarmtsError('invalid-argument', message);
}
