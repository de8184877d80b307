/** `swarmts rm`. */
import { bool } from '../../args/flag.js';
import { containerCommand } from '../../container/act.js';

export const command = containerCommand(
  {
    force: bool('Force the removal of a running container (uses SIGKILL)', { short: 'f' }),
    volumes: bool('Remove anonymous volumes associated with the container', { short: 'v' }),
  },
  async (ctx, path, f) => {
    await ctx.api.delete(path, { force: f.force, v: f.volumes });
  },
);
