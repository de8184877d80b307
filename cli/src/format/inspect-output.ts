/** What every `inspect` prints: the objects as a JSON list, one template per object, or the command's pretty form. */
import type { Context } from '../context.js';
import { CommandError, errorText } from '../exit.js';
import { compileTemplate, toJson } from './template.js';

export interface InspectOptions<T> {
  readonly format: string;
  /** The form for people; used when it is given. */
  readonly pretty?: ((object: T) => string) | undefined;
}

export async function inspectAll<T>(
  ctx: Context,
  refs: readonly string[],
  get: (ref: string) => Promise<T>,
  o: InspectOptions<T>,
): Promise<void> {
  const objects: T[] = [];
  const failures: string[] = [];
  for (const ref of refs) {
    try {
      objects.push(await get(ref));
    } catch (e) {
      failures.push(errorText(e));
    }
  }
  ctx.out.write(renderInspect(objects, o));
  if (failures.length > 0) throw new CommandError(failures.join('\n'));
}

const EXIT_TEMPLATE = 64;

function parsed(format: string): (object: unknown) => string {
  try {
    return compileTemplate(format, 'no-value');
  } catch (e) {
    throw new CommandError(errorText(e), EXIT_TEMPLATE);
  }
}

/** Throws CommandError with Docker's exit code for a template that cannot be read. */
export function renderInspect<T>(objects: readonly T[], o: InspectOptions<T>): string {
  if (o.pretty) return objects.map(o.pretty).join('\n');
  if (o.format === '') return `${JSON.stringify(objects, null, 4)}\n`;
  if (o.format === 'json') return objects.map((x) => `${toJson(x)}\n`).join('');
  const template = parsed(o.format);
  return objects.map((x) => `${template(x)}\n`).join('');
}
