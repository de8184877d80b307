/** `swarmts stack deploy`: brings a compose file up as a stack, and waits until it is. */
import { bool, optional, text } from '../../args/flag.js';
import { parsePositiveDuration } from '../../args/quantity.js';
import { between, defineCommand } from '../../command.js';
import { CommandError } from '../../exit.js';
import { deployStack } from '../../stack/deploy.js';
import { checkStackName } from '../../stack/names.js';
import { projectFlags, readProject } from '../../stack/read-project.js';

const RESOLVE = ['always', 'changed', 'never'] as const;
const DEFAULT_WAIT_MS = 600_000;

export const command = defineCommand({
  synopsis: '[STACK]',
  flags: {
    ...projectFlags,
    detach: bool('Exit immediately instead of waiting for the stack to be up', { short: 'd' }),
    prune: bool('Remove services that are not part of the file any more'),
    quiet: bool('Suppress progress output', { short: 'q' }),
    'resolve-image': text('Query the registry to resolve image digest ("always", "changed", "never")', {
      initial: 'always',
    }),
    rollback: bool('Take everything back when a service does not come up'),
    'wait-timeout': optional(
      'duration',
      'Time to wait for the stack to be up, 0 for ever (ns|us|ms|s|m|h)',
      parsePositiveDuration,
      {
        defaultText: '10m',
      },
    ),
    'with-registry-auth': bool('Send registry authentication details to Swarm agents'),
  },
  arity: between(0, 1),
  async run(ctx, f, [name]) {
    const resolveImage = RESOLVE.find((r) => r === f['resolve-image']);
    if (!resolveImage)
      throw new CommandError(
        `Invalid option ${f['resolve-image']} for flag --resolve-image: use ${RESOLVE.join(', ')}`,
      );
    const project = await readProject(ctx, f);
    const stack = name ?? project.name;
    if (stack === undefined) throw new CommandError('give the stack a name: as an argument, or as `name` in the file');
    const timeoutNs = f['wait-timeout'];
    await deployStack(ctx, project, {
      stack: checkStackName(stack),
      prune: f.prune,
      detach: f.detach,
      quiet: f.quiet,
      rollback: f.rollback,
      resolveImage,
      withRegistryAuth: f['with-registry-auth'],
      waitTimeoutMs: timeoutNs === undefined ? DEFAULT_WAIT_MS : timeoutNs / 1e6,
    });
  },
});
