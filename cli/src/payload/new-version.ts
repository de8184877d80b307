/** `secret update` and `config update`: a new version under the same name. */
import { bool } from '../args/flag.js';
import { type Command, defineCommand, exactly } from '../command.js';
import { type PayloadKind, readPayload } from './commands.js';

interface NewVersion {
  readonly ID: string;
  readonly Version: number;
  readonly Services: readonly string[];
}

export function newVersionCommand(kind: PayloadKind): Command {
  return defineCommand({
    synopsis: kind === 'secret' ? 'SECRET file|-' : 'CONFIG file|-',
    flags: { update: bool('Update the services that use it to the new version') },
    arity: exactly(2),
    completes: kind,
    async run(ctx, f, [ref = '', file = '']) {
      const data = await readPayload(ctx, kind, file);
      const made = await ctx.api.post<NewVersion>(`/swarmts/v1/${kind}s/${encodeURIComponent(ref)}/versions`, {
        Data: data.toString('base64'),
        Update: f.update,
      });
      ctx.out.write(`${made.ID}\n`);
      ctx.err.write(`${ref} has version ${made.Version}\n`);
      for (const service of made.Services) ctx.err.write(`service ${service} is being updated to it\n`);
    },
  });
}
