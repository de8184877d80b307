/** `swarmts network create`. */
import { bool, list, optionalBool, text, texts } from '../../args/flag.js';
import { defineCommand, exactly } from '../../command.js';
import { ipamConfigs } from '../../network/ipam.js';
import { parsePair } from '../../service/flag-values.js';

export const command = defineCommand({
  synopsis: 'NETWORK',
  flags: {
    attachable: bool('Enable manual container attachment'),
    'aux-address': list('map', 'Auxiliary IPv4 or IPv6 addresses used by Network driver', parsePair),
    'config-from': text('The network from which to copy the configuration'),
    'config-only': bool('Create a configuration only network'),
    driver: text('Driver to manage the Network', { short: 'd', initial: 'bridge' }),
    gateway: texts('IPv4 or IPv6 Gateway for the master subnet', { type: 'strings' }),
    ingress: bool('Create swarm routing-mesh network'),
    internal: bool('Restrict external access to the network'),
    'ip-range': texts('Allocate container ip from a sub-range', { type: 'strings' }),
    'ipam-driver': text('IP Address Management Driver', { initial: 'default' }),
    'ipam-opt': list('map', 'Set IPAM driver specific options', parsePair),
    ipv4: optionalBool('Enable or disable IPv4 address assignment'),
    ipv6: bool('Enable or disable IPv6 address assignment'),
    label: list('list', 'Set metadata on a network', parsePair),
    opt: list('map', 'Set driver specific options', (t) => (t.includes('=') ? parsePair(t) : ([t, ''] as const)), {
      short: 'o',
    }),
    scope: text("Control the network's scope"),
    subnet: texts('Subnet in CIDR format that represents a network segment', { type: 'strings' }),
  },
  arity: exactly(1),
  async run(ctx, f, [name]) {
    const network = await ctx.api.post<{ readonly Id: string; readonly Warning?: string }>('/networks/create', {
      Name: name,
      Driver: f.driver,
      Scope: f.scope,
      Attachable: f.attachable,
      Ingress: f.ingress,
      Internal: f.internal,
      ConfigOnly: f['config-only'],
      ...(f['config-from'] === '' ? {} : { ConfigFrom: { Network: f['config-from'] } }),
      ...(f.ipv4 === undefined ? {} : { EnableIPv4: f.ipv4 }),
      EnableIPv6: f.ipv6,
      IPAM: {
        Driver: f['ipam-driver'],
        Options: Object.fromEntries(f['ipam-opt']),
        Config: ipamConfigs(f.subnet, f['ip-range'], f.gateway, f['aux-address']),
      },
      Options: Object.fromEntries(f.opt),
      Labels: Object.fromEntries(f.label),
    });
    if (network.Warning) ctx.err.write(`WARNING: ${network.Warning}\n`);
    ctx.out.write(`${network.Id}\n`);
  },
});
