/** `swarmts client-cert ls`. */
import { bool, text } from '../../args/flag.js';
import { defineCommand, noArguments } from '../../command.js';
import { ago, humanDuration } from '../../format/duration.js';
import { printRows, type RowLayout } from '../../format/rows.js';

interface ClientCertificate {
  readonly Serial: string;
  readonly Name: string;
  readonly Role: string;
  readonly IssuedAt: string;
  readonly ExpiresAt: string;
  readonly RevokedAt?: string;
}

const layout: RowLayout = {
  table: '{{.Serial}}\t{{.Name}}\t{{.Role}}\t{{.IssuedAt}}\t{{.Status}}',
  headers: { Serial: 'SERIAL NUMBER', Name: 'NAME', Role: 'ROLE', IssuedAt: 'CREATED', Status: 'STATUS' },
  quiet: '{{.Serial}}',
};

export const command = defineCommand({
  synopsis: '',
  flags: {
    format: text("Format output using a custom template: 'table', 'table TEMPLATE', 'json' or a Go template"),
    quiet: bool('Only display serial numbers', { short: 'q' }),
  },
  arity: noArguments,
  async run(ctx, f) {
    const certificates = await ctx.api.get<readonly ClientCertificate[]>('/swarmts/v1/client-certificates');
    const nowMs = ctx.now();
    const status = (c: ClientCertificate) =>
      c.RevokedAt === undefined
        ? `Ends in ${humanDuration(Date.parse(c.ExpiresAt) - nowMs).toLowerCase()}`
        : `Revoked ${ago(c.RevokedAt, nowMs).toLowerCase()}`;
    const rows = certificates.map((c) => ({ ...c, IssuedAt: ago(c.IssuedAt, nowMs), Status: status(c) }));
    printRows(ctx.out, layout, rows, f);
  },
});
