/** `swarmts inspect`: whatever has this name or id, asked for kind by kind in the order that Docker uses. */
import { bool, text } from '../../args/flag.js';
import { atLeast, defineCommand } from '../../command.js';
import { CommandError } from '../../exit.js';
import { inspectAll } from '../../format/inspect-output.js';
import { ApiError } from '../../http/client.js';

/** Paths per kind; the node, service and task lists exist on managers only. */
const KINDS: Readonly<Record<string, (ref: string) => string>> = {
  container: (ref) => `/containers/${ref}/json`,
  image: (ref) => `/images/${ref}/json`,
  network: (ref) => `/networks/${ref}`,
  volume: (ref) => `/volumes/${ref}`,
  service: (ref) => `/services/${ref}`,
  task: (ref) => `/tasks/${ref}`,
  node: (ref) => `/nodes/${ref}`,
  secret: (ref) => `/secrets/${ref}`,
  config: (ref) => `/configs/${ref}`,
};
/** 404: not of this kind. 503: no manager, or no swarm. 501: a kind that the daemon does not have. */
const NOT_HERE = [404, 501, 503];

export const command = defineCommand({
  synopsis: 'NAME|ID [NAME|ID...]',
  flags: {
    format: text("Format output using a custom template: 'json' or a Go template", { short: 'f' }),
    size: bool('Display total file sizes if the type is container', { short: 's' }),
    type: text('Only inspect objects of the given type', { choices: Object.keys(KINDS) }),
  },
  arity: atLeast(1),
  completes: 'container',
  async run(ctx, f, refs) {
    if (f.type !== '' && !Object.hasOwn(KINDS, f.type)) {
      throw new CommandError(`${JSON.stringify(f.type)} is not a valid value for --type`);
    }
    const kinds = f.type === '' ? Object.keys(KINDS) : [f.type];
    const get = async (ref: string): Promise<unknown> => {
      for (const kind of kinds) {
        try {
          const query = kind === 'container' ? { size: f.size } : {};
          return await ctx.api.get(KINDS[kind]?.(encodeURIComponent(ref)) ?? '', query);
        } catch (e) {
          if (!(e instanceof ApiError) || !NOT_HERE.includes(e.status)) throw e;
        }
      }
      throw new CommandError(`error: no such ${f.type === '' ? 'object' : f.type}: ${ref}`);
    };
    await inspectAll(ctx, refs, get, f);
  },
});
