/** `swarmts swarm init`: this node becomes the first manager of a new swarm. */
import { optionalUint } from '../../args/flag.js';
import { defineCommand, noArguments } from '../../command.js';
import { joinCommandText, unlockKeyText } from './join-text.js';
import { checkAvailability, nodeFlags } from './node-flags.js';
import { postMembership } from './post-membership.js';
import { applySwarmFlags, initFlags } from './spec-flags.js';

const flags = {
  ...nodeFlags,
  ...initFlags,
  'data-path-port': optionalUint(
    'Port number to use for data path traffic (1024 - 49151). If no value is set or is set to 0, the default port (4789) is used.',
    { type: 'uint32' },
  ),
  'default-addr-pool-mask-length': optionalUint('Default address pool subnet mask length', {
    type: 'uint32',
    defaultText: '24',
  }),
};

export const command = defineCommand({
  synopsis: '',
  flags,
  arity: noArguments,
  async run(ctx, f) {
    const nodeId = await postMembership<string>(ctx, '/swarm/init', {
      ListenAddr: f['listen-addr'],
      AdvertiseAddr: f['advertise-addr'],
      DataPathAddr: f['data-path-addr'],
      DataPathPort: f['data-path-port'] ?? 0,
      DefaultAddrPool: f['default-addr-pool'],
      SubnetSize: f['default-addr-pool-mask-length'] ?? 24,
      ForceNewCluster: f['force-new-cluster'],
      AutoLockManagers: f.autolock ?? false,
      Availability: checkAvailability(f.availability),
      Spec: applySwarmFlags({}, f),
    });
    ctx.out.write(`Swarm initialized: current node (${nodeId}) is now a manager.\n\n`);
    ctx.out.write(await joinCommandText(ctx, 'worker'));
    ctx.out.write(
      "To add a manager to this swarm, run 'swarmts swarm join-token manager' and follow the instructions.\n\n",
    );
    if (f.autolock) ctx.out.write(await unlockKeyText(ctx));
  },
});
