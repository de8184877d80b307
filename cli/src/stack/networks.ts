/** The networks of a stack: those that are missing are made, those that exist are left as they are. */
import { withoutNulls } from '../compose/dictionary.js';
import type { ComposeNetwork, ComposeProject } from '../compose/model.js';
import type { Context } from '../context.js';
import { CommandError } from '../exit.js';
import { NAMESPACE_LABEL, scoped } from './names.js';

interface NetworkAnswer {
  readonly Name: string;
  readonly Scope: string;
}

const PREDEFINED = ['host', 'none', 'bridge'];

export async function createNetworks(ctx: Context, stack: string, project: ComposeProject): Promise<void> {
  for (const key of usedNetworks(project)) {
    const network = project.networks[key] ?? {};
    const name = network.name ?? (network.external ? key : scoped(stack, key));
    if (PREDEFINED.includes(name)) continue;
    const found = await ctx.api.find<NetworkAnswer>(`/networks/${encodeURIComponent(name)}`);
    // It is found by its id as well.
    const known = found?.Name === name ? found : undefined;
    if (network.external) {
      if (!known)
        throw new CommandError(
          `network "${name}" is declared as external, but could not be found. You need to create a swarm-scoped network before the stack is deployed`,
        );
      if (known.Scope !== 'swarm')
        throw new CommandError(
          `network "${name}" is declared as external, but it is not in the right scope: "${known.Scope}" instead of "swarm"`,
        );
      continue;
    }
    if (known) continue;
    ctx.out.write(`Creating network ${name}\n`);
    await ctx.api.post('/networks/create', { Name: name, CheckDuplicate: true, ...specOf(network, stack) });
  }
}

function usedNetworks(project: ComposeProject): readonly string[] {
  const used = new Set<string>();
  for (const s of Object.values(project.services)) {
    if (s.network_mode !== undefined) continue;
    const keys = Object.keys(s.networks ?? {});
    for (const k of keys.length === 0 ? ['default'] : keys) used.add(k);
  }
  return [...used];
}

function specOf(n: ComposeNetwork, stack: string): Readonly<Record<string, unknown>> {
  const config = (n.ipam?.config ?? []).map((c) => ({
    ...(c.subnet === undefined ? {} : { Subnet: c.subnet }),
    ...(c.gateway === undefined ? {} : { Gateway: c.gateway }),
    ...(c.ip_range === undefined ? {} : { IPRange: c.ip_range }),
    ...(c.aux_addresses === undefined ? {} : { AuxiliaryAddresses: c.aux_addresses }),
  }));
  return {
    Driver: n.driver ?? 'overlay',
    Scope: 'swarm',
    Internal: n.internal ?? false,
    Attachable: n.attachable ?? false,
    ...(n.enable_ipv6 === undefined ? {} : { EnableIPv6: n.enable_ipv6 }),
    Options: withoutNulls(n.driver_opts),
    Labels: { ...withoutNulls(n.labels), [NAMESPACE_LABEL]: stack },
    ...(n.ipam
      ? { IPAM: { Driver: n.ipam.driver ?? 'default', Config: config, Options: withoutNulls(n.ipam.options) } }
      : {}),
  };
}
