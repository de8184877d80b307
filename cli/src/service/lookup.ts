/** What a spec names but the API wants as ids: secrets, configs, networks, and the digest of the image. */
import type { Context } from '../context.js';
import type { ConfigReference, CredentialSpec, NetworkAttachment, SecretReference } from '../engine-types.js';
import { CommandError, errorText } from '../exit.js';
import { ApiError } from '../http/client.js';
import { filterQuery } from '../http/filters.js';
import { registryAuth } from '../http/registry-auth.js';
import type { Edits } from './edit.js';
import type { FileRequest } from './flag-values.js';

interface Named {
  readonly ID: string;
  readonly Spec: { readonly Name?: string };
}

async function idsByName(ctx: Context, kind: 'secret' | 'config', requests: readonly FileRequest[]) {
  checkTargets(kind, requests);
  if (requests.length === 0) return new Map<string, string>();
  const names = [...new Set(requests.map((r) => r.source))];
  const found = await ctx.api.get<Named[]>(`/${kind}s`, { filters: filterQuery([], { name: names }) });
  const ids = new Map(found.map((o) => [o.Spec.Name ?? '', o.ID]));
  for (const name of names) if (!ids.has(name)) throw new CommandError(`${kind} not found: ${name}`);
  return ids;
}

function checkTargets(kind: string, requests: readonly FileRequest[]): void {
  const seen = new Set<string>();
  for (const { file } of requests) {
    if (seen.has(file.Name)) throw new CommandError(`duplicate ${kind} target for ${file.Name} not allowed`);
    seen.add(file.Name);
  }
}

export async function lookUpSecrets(ctx: Context, requests: readonly FileRequest[]): Promise<SecretReference[]> {
  const ids = await idsByName(ctx, 'secret', requests);
  return requests.map((r) => ({
    SecretID: ids.get(r.source) ?? '',
    SecretName: r.source,
    File: r.file,
    ...(r.env === undefined ? {} : { Env: r.env }),
  }));
}

export async function lookUpConfigs(ctx: Context, requests: readonly FileRequest[]): Promise<ConfigReference[]> {
  const ids = await idsByName(ctx, 'config', requests);
  return requests.map((r) => ({ ConfigID: ids.get(r.source) ?? '', ConfigName: r.source, File: r.file }));
}

/** A credential spec in a config has its id, and the service has that config without a file. */
export async function lookUpCredentialSpec(
  ctx: Context,
  spec: CredentialSpec | undefined,
): Promise<Edits['credentialSpec']> {
  if (spec?.Config === undefined) return spec && { spec };
  const file = { Name: spec.Config, UID: '0', GID: '0', Mode: 0o444 };
  const [found] = await lookUpConfigs(ctx, [{ source: spec.Config, file }]);
  const { ConfigID = '', ConfigName = '' } = found ?? {};
  return { spec: { Config: ConfigID }, config: { ConfigID, ConfigName, Runtime: {} } };
}

export async function lookUpNetworks(ctx: Context, wanted: readonly NetworkAttachment[]): Promise<NetworkAttachment[]> {
  return await Promise.all(
    wanted.map(async (n) => {
      const path = `/networks/${encodeURIComponent(n.Target ?? '')}`;
      const network = await ctx.api.get<{ readonly Id: string }>(path, { scope: 'swarm' });
      return { ...n, Target: network.Id };
    }),
  );
}

interface Distribution {
  readonly Descriptor?: { readonly digest?: string };
  readonly Platforms?: readonly { readonly architecture?: string; readonly os?: string }[] | null;
}

export interface ResolvedImage {
  readonly image: string;
  readonly platforms: readonly { readonly Architecture: string; readonly OS: string }[];
}

/** A reference with nothing but the characters that a repository, a tag and a digest may have. */
const REFERENCE =
  /^(?:[a-zA-Z0-9][a-zA-Z0-9.-]*(?::\d+)?\/|\[[0-9a-fA-F:]+\](?::\d+)?\/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*(?::[\w][\w.-]{0,127})?(?:@sha256:[a-f0-9]{64})?$/;

export function checkReference(image: string): string {
  if (REFERENCE.test(image)) return image;
  const repository = image.replace(/@.*$/, '').replace(/:[^/]*$/, '');
  if (/[A-Z]/.test(repository.replace(/^[^/]*[.:][^/]*\//, ''))) {
    throw new CommandError('invalid reference format: repository name must be lowercase');
  }
  throw new CommandError('invalid reference format');
}

/** Pins the tag to what the registry has now, so that all nodes run the same; without an answer the tag stays. */
export async function resolveImage(ctx: Context, image: string): Promise<ResolvedImage> {
  if (image.includes('@')) return { image, platforms: [] };
  const tagged = image.lastIndexOf(':') > image.lastIndexOf('/') ? image : `${image}:latest`;
  const auth = registryAuth(ctx.env, image);
  try {
    const found = await ctx.api.json<Distribution>('GET', `/distribution/${tagged}/json`, {
      ...(auth === undefined ? {} : { headers: { 'X-Registry-Auth': auth } }),
    });
    const digest = found.Descriptor?.digest;
    if (!digest) return { image, platforms: [] };
    const platforms = (found.Platforms ?? []).map((p) => ({ Architecture: p.architecture ?? '', OS: p.os ?? '' }));
    return { image: `${tagged}@${digest}`, platforms };
  } catch (e) {
    // The daemon answered that no registry did; that the daemon itself does not answer is an error.
    if (!(e instanceof ApiError)) throw new CommandError(errorText(e));
    ctx.err.write(
      `image ${tagged} could not be accessed on a registry to record\nits digest. Each node will access ${tagged} ` +
        'independently,\npossibly leading to different nodes running different\nversions of the image.\n\n',
    );
    return { image, platforms: [] };
  }
}
