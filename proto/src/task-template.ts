/**
 * The placeholders that Docker allows in env, mounts and hostname of a service: {{.Service.ID}}, {{.Node.Hostname}},
 * {{.Task.Slot}} and so on, of Go's templates what they need. A key that does not exist is an error.
 */
import { SwarmtsError } from '@swarmts/lib';
import type { Platform, Task } from './gen/index.js';
import { taskName } from './task-state.js';

export interface TemplateContext {
  readonly task: Task;
  readonly nodeHostname: string;
  readonly nodePlatform?: Platform | undefined;
}

/** Throws SwarmtsError 'invalid-argument' naming the placeholder. */
export function expandTemplate(text: string, c: TemplateContext): string {
  return expand(text, (expression) => lookUp(expression, c), 'is not known');
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
  const value = (expression: string) => callOf(expression, sources) ?? lookUp(expression, c);
  return Buffer.from(expand(text, value, 'is not known, or names what the service does not have'));
}

const ACTION = /(\s*\{\{-\s|\{\{)([\s\S]*?)(\s-\}\}\s*|\}\})/g;

/** Fills in every action. `{{- ` takes away the white space before it, ` -}}` that behind it. */
function expand(text: string, fill: (expression: string) => string | undefined, complaint: string): string {
  const open = text.replace(ACTION, '').indexOf('{{');
  if (open >= 0) throw failed(`unclosed action in ${JSON.stringify(text)}`);
  return text.replace(ACTION, (whole, _begin, expression: string) => {
    const value = fill(expression.trim());
    if (value === undefined) throw failed(`${whole.trim()} ${complaint}`);
    return value;
  });
}

const failed = (why: string) => new SwarmtsError('invalid-argument', `expanding template failed: ${why}`);

/** secret "x", config "x", env "x"; undefined for anything else and for what is not there. */
function callOf(expression: string, sources: PayloadSources): string | undefined {
  const m = /^(secret|config|env) "([^"]*)"$/.exec(expression);
  const [, fn, name = ''] = m ?? [];
  if (fn === 'env') return sources.env(name);
  const data = fn === 'secret' ? sources.secret(name) : fn === 'config' ? sources.config(name) : undefined;
  return data && Buffer.from(data).toString();
}

function lookUp(expression: string, { task, nodeHostname, nodePlatform }: TemplateContext): string | undefined {
  const labels = task.serviceAnnotations?.labels ?? {};
  const label = /^(?:index \.Service\.Labels "([^"]*)"|\.Service\.Labels\.(\w+))$/.exec(expression);
  if (label) return labels[label[1] ?? label[2] ?? ''] ?? '';
  const literal = /^(?:"([^"\\]*)"|`([^`]*)`)$/.exec(expression);
  if (literal) return literal[1] ?? literal[2];
  switch (expression) {
    case '.Service.ID':
      return task.serviceId;
    case '.Service.Name':
      return task.serviceAnnotations?.name ?? '';
    case '.Node.ID':
      return task.nodeId;
    case '.Node.Hostname':
      return nodeHostname;
    case '.Node.Platform.Architecture':
      return nodePlatform?.architecture ?? '';
    case '.Node.Platform.OS':
      return nodePlatform?.os ?? '';
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
