/** The secrets and configs of a stack: their data is read before anything is created, then they are created or kept. */
import { withoutNulls } from '../compose/dictionary.js';
import type { ComposePayload, ComposeProject } from '../compose/model.js';
import type { Context } from '../context.js';
import { CommandError } from '../exit.js';
import { ApiError } from '../http/client.js';
import { filterQuery } from '../http/filters.js';
import { readNamedFile } from '../read-file.js';
import { NAMESPACE_LABEL } from './names.js';
import { payloadName } from './service-spec.js';

type Kind = 'secrets' | 'configs';

/** A secret or config as it is to be; without a spec it is external and has to exist. */
export interface WantedPayload {
  readonly name: string;
  readonly spec?: WantedSpec;
}

interface WantedSpec {
  readonly Name: string;
  /** Base64. */
  readonly Data: string;
}

interface Payload {
  readonly ID: string;
  readonly Version?: { readonly Index?: number };
  readonly Spec: { readonly Name?: string };
}

export function wantedPayloads(
  ctx: Context,
  stack: string,
  project: ComposeProject,
  kind: Kind,
): readonly WantedPayload[] {
  return Object.entries(project[kind]).map(([key, p]) => {
    const name = payloadName(kind, key, { stack, project });
    if (p.external) return { name };
    const spec = {
      Name: name,
      Labels: { ...withoutNulls(p.labels), [NAMESPACE_LABEL]: stack },
      Data: payloadData(p, kind.slice(0, -1), key, ctx).toString('base64'),
      ...(p.template_driver ? { Templating: { Name: p.template_driver } } : {}),
    };
    return { name, spec };
  });
}

/** Creates what is missing, brings labels and data up to date, and gives the ids of all of them by name. */
export async function putPayloads(
  ctx: Context,
  kind: Kind,
  wanted: readonly WantedPayload[],
): Promise<ReadonlyMap<string, string>> {
  if (wanted.length === 0) return new Map();
  const filters = filterQuery([], { name: wanted.map((w) => w.name) });
  const known = new Map((await ctx.api.get<Payload[]>(`/${kind}`, { filters })).map((p) => [p.Spec.Name ?? '', p]));
  const word = kind.slice(0, -1);
  const ids = new Map([...known].map(([name, p]) => [name, p.ID]));
  for (const { name, spec } of wanted) {
    const existing = known.get(name);
    if (!spec) {
      if (!existing)
        throw new CommandError(`${word} ${name} is declared as external, but there is none: create it first`);
      continue;
    }
    if (existing) ids.set(name, await updatePayload(ctx, kind, existing, spec, word));
    else {
      ctx.out.write(`Creating ${word} ${name}\n`);
      ids.set(name, (await ctx.api.post<{ readonly ID: string }>(`/${kind}/create`, spec)).ID);
    }
  }
  return ids;
}

/** Labels are changed in place; other data becomes a new version, which the services of the stack then take. Returns the id. */
async function updatePayload(
  ctx: Context,
  kind: Kind,
  existing: Payload,
  spec: WantedSpec,
  word: string,
): Promise<string> {
  const update = (id: string, version: number, body: object) =>
    ctx.api.post(`/${kind}/${id}/update`, body, { version });
  try {
    await update(existing.ID, existing.Version?.Index ?? 0, spec);
    return existing.ID;
  } catch (e) {
    if (!(e instanceof ApiError) || e.status !== 400) throw e;
  }
  const path = `/swarmts/v1/${kind}/${existing.ID}/versions`;
  const made = await ctx.api.post<{ readonly ID: string; readonly Version: number }>(path, { Data: spec.Data });
  ctx.out.write(`Updating ${word} ${spec.Name} (version ${made.Version})\n`);
  const now = await ctx.api.get<Payload>(`/${kind}/${made.ID}`);
  await update(made.ID, now.Version?.Index ?? 0, spec);
  return made.ID;
}

function payloadData(p: ComposePayload, word: string, key: string, ctx: Context): Buffer {
  if (p.content !== undefined) return Buffer.from(p.content);
  if (p.environment !== undefined) {
    const value = ctx.env[p.environment];
    if (value === undefined) throw new CommandError(`${word} ${key}: the variable ${p.environment} is not set`);
    return Buffer.from(value);
  }
  if (p.file === undefined)
    throw new CommandError(`${word} ${key} needs one of file, content, environment, or external: true`);
  return readNamedFile(p.file, `${word} ${key}: `);
}
