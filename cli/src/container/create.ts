/** Makes a container from flags, with a pull when the image is missing. */
import { writeFileSync } from 'node:fs';
import type { Context } from '../context.js';
import { CommandError } from '../exit.js';
import { ApiError } from '../http/client.js';
import { registryAuth } from '../http/registry-auth.js';
import { showProgress } from '../image/progress.js';
import { isTagged } from '../image/reference.js';
import { type CreateFlags, createBody } from './run-body.js';

export async function createFromFlags(
  ctx: Context,
  f: CreateFlags,
  [image = '', ...cmd]: readonly string[],
  attached: boolean,
): Promise<string> {
  if (!['always', 'missing', 'never'].includes(f.pull)) {
    throw new CommandError(`invalid pull option: '${f.pull}': must be one of "always", "missing" or "never"`, 125);
  }
  if (f.rm && f.restart && f.restart.Name !== 'no') {
    throw new CommandError('conflicting options: cannot specify both --restart and --rm', 125);
  }
  const body = createBody(f, image, cmd, { env: ctx.env, attached });
  const query = { name: f.name || undefined, platform: f.platform || undefined };
  const create = () => ctx.api.post<Created>('/containers/create', body, query);
  if (f.pull === 'always') await pull(ctx, image, f);
  let made: Created;
  try {
    made = await create();
  } catch (e) {
    if (!(e instanceof ApiError) || e.status !== 404 || f.pull !== 'missing' || !MISSING.test(e.message)) throw e;
    ctx.err.write(`Unable to find image '${image}' locally\n`);
    await pull(ctx, image, f);
    made = await create();
  }
  for (const w of made.Warnings ?? []) ctx.err.write(`WARNING: ${w}\n`);
  if (f.cidfile !== '') writeFileSync(f.cidfile, made.Id, { flag: 'wx' });
  return made.Id;
}

interface Created {
  readonly Id: string;
  readonly Warnings?: readonly string[] | null;
}

/** There is no image, or none for the platform that is wanted. */
const MISSING = /No such image|does not match the specified platform/;

/** What it shows is not the output of the command. */
async function pull(
  ctx: Context,
  reference: string,
  { quiet, platform }: Pick<CreateFlags, 'quiet' | 'platform'>,
): Promise<void> {
  const image = isTagged(reference) ? reference : `${reference}:latest`;
  const cut = image.includes('@') ? image.indexOf('@') : image.lastIndexOf(':');
  const auth = registryAuth(ctx.env, image);
  const stream = await ctx.api.open('POST', '/images/create', {
    query: { fromImage: image.slice(0, cut), tag: image.slice(cut + 1), platform: platform || undefined },
    ...(auth === undefined ? {} : { headers: { 'X-Registry-Auth': auth } }),
  });
  await showProgress(stream, ctx.err, quiet);
}
