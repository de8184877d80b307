/** `swarmts logout`: forgets the credentials of a registry. */
import { between, defineCommand } from '../../command.js';
import { eraseCredentials } from '../../http/docker-config.js';
import { registryName } from './login.js';

export const command = defineCommand({
  synopsis: '[SERVER]',
  flags: {},
  arity: between(0, 1),
  async run(ctx, _flags, [server = '']) {
    const registry = registryName(server);
    if (!eraseCredentials(ctx.env, registry)) {
      ctx.out.write(`Not logged in to ${registry}\n`);
      return;
    }
    ctx.out.write(`Removing login credentials for ${registry}\n`);
  },
});
