/** `swarmts stop`. */
import { optionalInt, optionalText } from '../../args/flag.js';
import { containerCommand } from '../../container/act.js';

export const command = containerCommand(
  {
    signal: optionalText('Signal to send to the container', { short: 's' }),
    time: optionalInt('Name of --timeout in older clients'),
    timeout: optionalInt('Seconds to wait before killing the container', { short: 't' }),
  },
  async (ctx, path, f) => {
    await ctx.api.post(`${path}/stop`, undefined, { t: f.timeout ?? f.time, signal: f.signal });
  },
);
