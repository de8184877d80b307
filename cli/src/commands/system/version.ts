/** `swarmts version`: this client and, when it answers, the daemon. */
import { text } from '../../args/flag.js';
import { defineCommand, noArguments } from '../../command.js';
import { CommandError, errorText } from '../../exit.js';
import { renderInspect } from '../../format/inspect-output.js';
import { API_VERSION } from '../../http/client.js';

interface ServerVersion {
  readonly Version?: string;
  readonly ApiVersion?: string;
  readonly MinAPIVersion?: string;
  readonly Os?: string;
  readonly Arch?: string;
  readonly KernelVersion?: string;
}

export const command = defineCommand({
  synopsis: '',
  flags: { format: text("Format output using a custom template: 'json' or a Go template", { short: 'f' }) },
  arity: noArguments,
  async run(ctx, f) {
    const Client = {
      Version: ctx.version,
      ApiVersion: API_VERSION,
      Os: process.platform,
      Arch: process.arch === 'x64' ? 'amd64' : process.arch,
      NodeVersion: process.version,
    };
    let Server: ServerVersion | undefined;
    let failure: unknown;
    try {
      Server = await ctx.api.get<ServerVersion>('/version');
    } catch (e) {
      failure = e;
    }
    if (f.format === '') {
      ctx.out.write(section('Client', { ...Client }));
      if (Server) ctx.out.write(`\n${section('Server', { ...Server })}`);
    } else ctx.out.write(renderInspect([{ Client, Server: Server ?? null }], f));
    if (failure !== undefined) throw new CommandError(errorText(failure));
  },
});

function section(title: string, v: Readonly<Record<string, unknown>>): string {
  const min = v.MinAPIVersion ? ` (minimum version ${String(v.MinAPIVersion)})` : '';
  const lines: (readonly [string, unknown])[] = [
    ['Version', v.Version],
    ['API version', v.ApiVersion ? `${String(v.ApiVersion)}${min}` : undefined],
    ['Node.js version', v.NodeVersion],
    ['OS/Arch', `${String(v.Os ?? '')}/${String(v.Arch ?? '')}`],
    ['Kernel', v.KernelVersion],
  ];
  const shown = lines.filter(([, value]) => value !== undefined);
  return `${title}:\n${shown.map(([k, value]) => ` ${`${k}:`.padEnd(18)}${String(value)}\n`).join('')}`;
}
