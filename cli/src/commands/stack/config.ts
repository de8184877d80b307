/** `swarmts stack config`: the merged file with everything filled in and written out. */
import { stringify } from 'yaml';
import { bool } from '../../args/flag.js';
import { defineCommand, noArguments } from '../../command.js';
import { projectFlags, readProject } from '../../stack/read-project.js';

export const command = defineCommand({
  synopsis: '',
  flags: { ...projectFlags, quiet: bool('Only check the files', { short: 'q' }) },
  arity: noArguments,
  async run(ctx, f) {
    const project = await readProject(ctx, f);
    if (f.quiet) return;
    const used = Object.entries(project).filter(([, v]) => typeof v !== 'object' || Object.keys(v).length > 0);
    ctx.out.write(
      stringify(Object.fromEntries(used), { aliasDuplicateObjects: false, lineWidth: 0, sortMapEntries: true }),
    );
  },
});
