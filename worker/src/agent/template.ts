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
