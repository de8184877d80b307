/** `swarmts swarm join`: this node joins the swarm of the manager that is named. */
import { text } from '../../args/flag.js';
import { defineCommand, exactly } from '../../command.js';
import type { Info } from '../../engine-types.js';
import { checkAvailability, nodeFlags } from './node-flags.js';
import { postMembership } from './post-membership.js';

export const command = defineCommand({
  synopsis: 'HOST:PORT',
  flags: { ...nodeFlags, token: text('Token for entry into the swarm') },
  arity: exactly(1),
  async run(ctx, f, [remote = '']) {
    await postMembership(ctx, '/swarm/join', {
      ListenAddr: f['listen-addr'],
      AdvertiseAddr: f['advertise-addr'],
      DataPathAddr: f['data-path-addr'],
      RemoteAddrs: [remote],
      JoinToken: f.token,
      Availability: checkAvailability(f.availability),
    });
    const info = await ctx.api.get<Info>('/info');
    ctx.out.write(`This node joined a swarm as a ${info.Swarm?.ControlAvailable ? 'manager' : 'worker'}.\n`);
  },
});
