/** The flags that name compose files, and the project that they make. */
import { readFileSync } from 'node:fs';
import { texts } from '../args/flag.js';
import { loadProject } from '../compose/load.js';
import type { ComposeProject } from '../compose/model.js';
import type { Context } from '../context.js';
import { CommandError } from '../exit.js';

/** What a file is called when none is named. */
const DEFAULT_FILES = ['compose.yaml', 'compose.yml', 'docker-compose.yml', 'docker-compose.yaml'];

export const projectFlags = {
  'compose-file': texts('Path to a Compose file, or "-" to read from stdin', { short: 'c', type: 'strings' }),
  'env-file': texts('Read variables for the Compose file from a file instead of .env', { type: 'strings' }),
  profile: texts('Take in the services of a profile ("*" for all)', { type: 'strings' }),
};

interface ProjectFlags {
  readonly 'compose-file': readonly string[];
  readonly 'env-file': readonly string[];
  readonly profile: readonly string[];
}

export async function readProject(ctx: Context, f: ProjectFlags): Promise<ComposeProject> {
  const files = f['compose-file'].length > 0 ? f['compose-file'] : [defaultFile()];
  const fromEnv = (ctx.env.COMPOSE_PROFILES ?? '').split(',').filter((p) => p !== '');
  return loadProject({
    files,
    stdin: files.includes('-') ? await readAll(ctx) : '',
    env: ctx.env,
    envFiles: f['env-file'],
    profiles: [...f.profile, ...fromEnv],
    warn: (message) => ctx.err.write(`${message}\n`),
  });
}

function defaultFile(): string {
  const found = DEFAULT_FILES.find((name) => {
    try {
      readFileSync(name);
      return true;
    } catch {
      return false;
    }
  });
  if (found) return found;
  throw new CommandError(`there is no ${DEFAULT_FILES.join(', ')} here: name a file with --compose-file`);
}

async function readAll(ctx: Context): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of ctx.stdin()) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString();
}
