/** `swarmts tag`. */
import { defineCommand, exactly } from '../../command.js';
import { checkReference } from '../../service/lookup.js';

export const command = defineCommand({
  synopsis: 'SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]',
  flags: {},
  arity: exactly(2),
  completes: 'image',
  async run(ctx, _flags, [source = '', target = '']) {
    checkReference(target);
    const tagged = target.lastIndexOf(':') > target.lastIndexOf('/');
    const repo = tagged ? target.slice(0, target.lastIndexOf(':')) : target;
    const tag = tagged ? target.slice(target.lastIndexOf(':') + 1) : 'latest';
    await ctx.api.post(`/images/${source}/tag`, undefined, { repo, tag });
  },
});
