/** `swarmts port`. */
import { between, defineCommand } from '../../command.js';
import { CommandError } from '../../exit.js';

type Bindings = Readonly<Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[] | null>>;

export const command = defineCommand({
  synopsis: 'CONTAINER [PRIVATE_PORT[/PROTO]]',
  flags: {},
  arity: between(1, 2),
  completes: 'container',
  async run(ctx, _f, [ref = '', port]) {
    const c = await ctx.api.get<{ readonly NetworkSettings: { readonly Ports: Bindings | null } }>(
      `/containers/${encodeURIComponent(ref)}/json`,
    );
    const ports = c.NetworkSettings.Ports ?? {};
    const address = (b: { readonly HostIp: string; readonly HostPort: string }) =>
      `${b.HostIp.includes(':') ? `[${b.HostIp}]` : b.HostIp}:${b.HostPort}`;
    if (port !== undefined) {
      const found = ports[port.includes('/') ? port : `${port}/tcp`];
      if (!found) throw new CommandError(`no public port '${port}' published for ${ref}`);
      for (const b of found) ctx.out.write(`${address(b)}\n`);
      return;
    }
    const lines = Object.entries(ports).flatMap(([p, bs]) => (bs ?? []).map((b) => `${p} -> ${address(b)}\n`));
    ctx.out.write(lines.sort().join(''));
  },
});
