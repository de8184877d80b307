/**
 * The placeholders that Docker allows in env, mounts and hostname of a service: {{.Service.ID}}, {{.Node.Hostname}},
 * {{.Task.Slot}} and so on. A key that does not exist is an error.
 */
import { SwarmtsError } from '@swarmts/lib';
import { type Task, taskName } from '@swarmts/proto';

export interface TemplateContext {
  readonly task: Task;
  readonly nodeHostname: string;
}

/** Throws SwarmtsError 'invalid-argument' naming the placeholder. */
export function expandTemplate(text: string, c: TemplateContext): string {
  return text.replace(/\{\{\s*([^}]*?)\s*\}\}/g, (whole, expression: string) => {
    const value = lookUp(expression, c);
    if (value === undefined)
      throw new SwarmtsError('invalid-argument', `expanding template failed: ${whole} is not known`);
    return value;
  });
}

/** What a payload may ask for besides: other files and variables of the same container, by their target names. */
export interface PayloadSources {
  secret(target: string): Uint8Array | undefined;
  config(target: string): Uint8Array | undefined;
  env(name: string): string | undefined;
}

/** The payload of a secret or config with Docker's template driver "golang". Throws SwarmtsError 'invalid-argument'. */
export function expandPayload(data: Uint8Array, c: TemplateContext, sources: PayloadSources): Uint8Array {
  const text = Buffer.from(data).toString();
  const expanded = text.replace(/\{\{\s*([^}]*?)\s*\}\}/g, (whole, expression: string) => {
    const value = callOf(expression, sources) ?? lookUp(expression, c);
    if (value === undefined)
      throw new SwarmtsError(
        'invalid-argument',
        `expanding template failed: ${whole} is not known, or names what the service does not have`,
      );
    return value;
  });
  return Buffer.from(expanded);
}

/** secret "x", config "x", env "x"; undefined for anything else and for what is not there. */
function callOf(expression: string, sources: PayloadSources): string | undefined {
  const m = /^(secret|config|env) "([^"]*)"$/.exec(expression);
  const [, fn, name = ''] = m ?? [];
  if (fn === 'env') return sources.env(name);
  const data = fn === 'secret' ? sources.secret(name) : fn === 'config' ? sources.config(name) : undefined;
  return data && Buffer.from(data).toString();
}

function lookUp(expression: string, { task, nodeHostname }: TemplateContext): string | undefined {
  const label = /^index \.Service\.Labels "([^"]*)"$/.exec(expression);
  if (label) return task.serviceAnnotations?.labels[label[1] ?? ''] ?? '';
  switch (expression) {
    case '.Service.ID':
      return task.serviceId;
    case '.Service.Name':
      return task.serviceAnnotations?.name ?? '';
    case '.Node.ID':
      return task.nodeId;
    case '.Node.Hostname':
      return nodeHostname;
    case '.Task.ID':
      return task.id;
    case '.Task.Name':
      return `${taskName(task)}.${task.id}`;
    case '.Task.Slot':
      return task.slot > 0 ? String(task.slot) : task.nodeId;
    default:
      return undefined;
  }
}
