/** `swarmts unpause`. */
import { containerCommand } from '../../container/act.js';

export const command = containerCommand({}, async (ctx, path) => {
  await ctx.api.post(`${path}/unpause`);
});
