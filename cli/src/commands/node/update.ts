/** `swarmts node update`: availability, role and labels of a node. */
import { list, optionalText, texts } from '../../args/flag.js';
import { defineCommand, exactly } from '../../command.js';
import { CommandError } from '../../exit.js';
import { changeNode } from '../../node/change.js';
import { editMap } from '../../service/edit.js';
import { parsePair } from '../../service/flag-values.js';
import { AVAILABILITIES, checkAvailability } from '../swarm/node-flags.js';

const ROLES = ['worker', 'manager'];

export const command = defineCommand({
  synopsis: 'NODE',
  flags: {
    availability: optionalText('Availability of the node ("active", "pause", "drain")', { choices: AVAILABILITIES }),
    'label-add': list('list', 'Add or update a node label (key=value)', parsePair),
    'label-rm': texts('Remove a node label if exists'),
    role: optionalText('Role of the node ("worker", "manager")', { choices: ROLES }),
  },
  arity: exactly(1),
  completes: 'node',
  async run(ctx, f, [ref = '']) {
    const role = f.role?.toLowerCase();
    if (role !== undefined && !ROLES.includes(role)) {
      throw new CommandError(`invalid role ${JSON.stringify(f.role)}, only worker and manager are supported`);
    }
    const availability = f.availability === undefined ? undefined : checkAvailability(f.availability);
    await changeNode(ctx, ref, (spec) => {
      for (const key of f['label-rm']) {
        if (!Object.hasOwn(spec.Labels ?? {}, key)) {
          throw new CommandError(`key ${key} doesn't exist in node's labels`);
        }
      }
      return {
        ...spec,
        ...(role === undefined ? {} : { Role: role }),
        ...(availability === undefined ? {} : { Availability: availability }),
        Labels: editMap(spec.Labels, f['label-add'], f['label-rm']),
      };
    });
    ctx.out.write(`${ref}\n`);
  },
});
