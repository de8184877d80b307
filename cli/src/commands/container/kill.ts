/** `swarmts kill`. */
import { text } from '../../args/flag.js';
import { containerCommand } from '../../container/act.js';

export const command = containerCommand(
  { signal: text('Signal to send to the container', { short: 's', initial: 'KILL', defaultText: '"KILL"' }) },
  async (ctx, path, f) => {
    await ctx.api.post(`${path}/kill`, undefined, { signal: f.signal });
  },
);
