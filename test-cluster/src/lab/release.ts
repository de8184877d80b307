/** An earlier release of this repository, built beside it, for tests in which two releases work together. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './run.js';

/** What a cluster is upgraded from; moved on with every release. */
const PREVIOUS = '4dcb5f397e4c1edf42884e29f68d819b5615d263';
const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));

export interface Release {
  /** Its daemon's program. */
  readonly daemon: string;
  remove(): void;
}

/** Builds it, which takes a minute; SWARMTS_PREVIOUS_RELEASE names a checkout that is built already. */
export function previousRelease(): Release {
  const given = process.env.SWARMTS_PREVIOUS_RELEASE;
  if (given !== undefined) return { daemon: daemonIn(given), remove: () => undefined };
  const dir = join(mkdtempSync(join(tmpdir(), 'swarmts-release-')), 'release');
  const git = (...args: readonly string[]) => run('git', '-C', REPOSITORY, '-c', 'safe.directory=*', ...args);
  const remove = () => {
    rmSync(join(dir, '..'), { recursive: true, force: true });
    git('worktree', 'prune');
  };
  try {
    git('worktree', 'add', '--quiet', '--detach', dir, PREVIOUS);
    run('npm', 'ci', '--silent', '--prefix', dir);
    run(join(dir, 'node_modules', '.bin', 'tsc'), '-b', dir);
    return { daemon: daemonIn(dir), remove };
  } catch (e) {
    remove();
    throw e;
  }
}

function daemonIn(dir: string): string {
  const daemon = join(dir, 'daemon', 'bin', 'swarmtsd.js');
  if (!existsSync(daemon)) throw new Error(`${dir} is no checkout of a release: there is no ${daemon}`);
  return daemon;
}
