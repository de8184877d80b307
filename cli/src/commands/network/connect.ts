/** `swarmts network connect`. */
import { list, optionalInt, text, texts } from '../../args/flag.js';
import { defineCommand, exactly } from '../../command.js';
import { parsePair } from '../../service/flag-values.js';

export const command = defineCommand({
  synopsis: 'NETWORK CONTAINER',
  flags: {
    alias: texts('Add network-scoped alias for the container', { type: 'strings' }),
    'driver-opt': list('strings', 'driver options for the network', parsePair),
    'gw-priority': optionalInt('The network with the highest one has the default route'),
    ip: text('IPv4 address (e.g., "172.30.100.104")'),
    ip6: text('IPv6 address (e.g., "2001:db8::33")'),
    link: texts('Add link to another container', { type: 'list' }),
  },
  arity: exactly(2),
  completes: 'network',
  async run(ctx, f, [network = '', container]) {
    await ctx.api.post(`/networks/${encodeURIComponent(network)}/connect`, {
      Container: container,
      EndpointConfig: {
        Aliases: f.alias,
        Links: f.link,
        IPAMConfig: { IPv4Address: f.ip, IPv6Address: f.ip6 },
        DriverOpts: Object.fromEntries(f['driver-opt']),
        GwPriority: f['gw-priority'],
      },
    });
  },
});
