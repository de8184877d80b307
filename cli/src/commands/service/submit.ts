/** Sends a changed spec of a service and tells what the daemon warned about. */
import type { Context } from '../../context.js';
import type { Service, ServiceSpec } from '../../engine-types.js';
import type { Query } from '../../http/client.js';

export async function submitUpdate(
  ctx: Context,
  ref: string,
  service: Service,
  spec: ServiceSpec,
  query: Query,
  auth?: string,
): Promise<void> {
  const answer = await ctx.api.json<{ readonly Warnings?: readonly string[] | null } | undefined>(
    'POST',
    `/services/${service.ID}/update`,
    {
      body: spec,
      query: { version: service.Version?.Index ?? 0, ...query },
      ...(auth === undefined ? {} : { headers: { 'X-Registry-Auth': auth } }),
    },
  );
  for (const w of answer?.Warnings ?? []) ctx.err.write(`${w}\n`);
  ctx.out.write(`${ref}\n`);
}
