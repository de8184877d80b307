/** The sentences that tell people how other nodes join. */
import type { Context } from '../../context.js';
import type { Info, Node, Swarm } from '../../engine-types.js';

export type Role = 'worker' | 'manager';

/** The address that joiners dial: this manager's own. */
export async function managerAddress(ctx: Context): Promise<string> {
  const info = await ctx.api.get<Info>('/info');
  const self = info.Swarm?.NodeID ?? '';
  const node = await ctx.api.get<Node>(`/nodes/${self}`);
  return node.ManagerStatus?.Addr ?? info.Swarm?.RemoteManagers?.[0]?.Addr ?? '';
}

export async function joinCommandText(ctx: Context, role: Role): Promise<string> {
  const swarm = await ctx.api.get<Swarm>('/swarm');
  const token = (role === 'worker' ? swarm.JoinTokens?.Worker : swarm.JoinTokens?.Manager) ?? '';
  const address = await managerAddress(ctx);
  return (
    `To add a ${role} to this swarm, run the following command:\n\n` +
    `    swarmts swarm join --token ${token} ${address}\n\n`
  );
}

export async function unlockKeyText(ctx: Context): Promise<string> {
  const { UnlockKey } = await ctx.api.get<{ readonly UnlockKey: string }>('/swarm/unlockkey');
  return (
    'To unlock a swarm manager after it restarts, run the `swarmts swarm unlock`\n' +
    `command and provide the following key:\n\n    ${UnlockKey}\n\n` +
    'Please remember to store this key in a password manager, since without it you\n' +
    'will not be able to restart the manager.\n'
  );
}
