/** `node promote` and `node demote` differ in the role and in their words only. */
import { atLeast, type Command, defineCommand } from '../command.js';
import { changeNode, getNode } from './change.js';

export function roleCommand(role: 'manager' | 'worker'): Command {
  const done = role === 'manager' ? 'promoted to a manager' : 'demoted';
  return defineCommand({
    synopsis: 'NODE [NODE...]',
    flags: {},
    arity: atLeast(1),
    completes: 'node',
    async run(ctx, _flags, refs) {
      // Nothing is changed when one of them does not exist, and the first failure ends it.
      for (const ref of refs) await getNode(ctx, ref);
      for (const ref of refs) {
        const changed = await changeNode(ctx, ref, (spec) =>
          spec.Role === role ? undefined : { ...spec, Role: role },
        );
        if (changed) ctx.out.write(`Node ${ref} ${done} in the swarm.\n`);
        else ctx.err.write(`Node ${ref} is already a ${role}.\n`);
      }
    },
  });
}
