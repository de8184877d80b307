/**
 * The placeholders of a service's env, mounts and hostname, and of the payloads of secrets and configs with the template
 * driver "golang": Go's templates over {{.Service.ID}}, {{.Node.Hostname}}, {{.Task.Slot}} and so on. A key that does
 * not exist is an error.
 */
import { messageOf, SwarmtsError } from '@swarmts/lib';
import { compileTemplate, show, type TemplateFunctions } from '@swarmts/lib/go-template';
import type { Platform, Task } from './gen/index.js';
import { taskName } from './task-state.js';

export interface TemplateContext {
  readonly task: Task;
  readonly nodeHostname: string;
  readonly nodePlatform?: Platform | undefined;
}

/** What a payload may ask for besides: other files and variables of the same container, by their target names. */
export interface PayloadSources {
  secret(target: string): Uint8Array | undefined;
  config(target: string): Uint8Array | undefined;
  env(name: string): string | undefined;
}

/** Throws SwarmtsError 'invalid-argument' naming the placeholder. */
export function expandTemplate(text: string, c: TemplateContext): string {
  try {
    return expand(text, c, {});
  } catch (e) {
    throw failed(`${JSON.stringify(text)}: ${messageOf(e)}`);
  }
}

/** The payload of a secret or config. Throws SwarmtsError 'invalid-argument'. */
export function expandPayload(data: Uint8Array, c: TemplateContext, sources: PayloadSources): Uint8Array {
  const found = <T>(what: string, name: unknown, value: T | undefined): T => {
    if (value === undefined) throw new SwarmtsError('invalid-argument', `the service has no ${what} ${show(name)}`);
    return value;
  };
  const functions: TemplateFunctions = {
    secret: (name) => Buffer.from(found('secret', name, sources.secret(String(name)))).toString(),
    config: (name) => Buffer.from(found('config', name, sources.config(String(name)))).toString(),
    env: (name) => found('variable', name, sources.env(String(name))),
  };
  try {
    return Buffer.from(expand(Buffer.from(data).toString(), c, functions));
  } catch (e) {
    // The text itself is the payload and is not shown.
    throw failed(messageOf(e));
  }
}

const failed = (why: string) => new SwarmtsError('invalid-argument', `expanding template failed: ${why}`);

/** Swarm's own: the separator comes first. */
const join: TemplateFunctions = { join: (separator, ...parts) => parts.map(show).join(show(separator)) };

function expand(text: string, c: TemplateContext, functions: TemplateFunctions): string {
  if (!text.includes('{{')) return text;
  return compileTemplate(text, { missing: 'error', functions: { ...join, ...functions } })(valuesOf(c));
}

function valuesOf({ task, nodeHostname, nodePlatform }: TemplateContext): object {
  const { name = '', labels = {} } = task.serviceAnnotations ?? {};
  return {
    Service: { ID: task.serviceId, Name: name, Labels: labels },
    Node: {
      ID: task.nodeId,
      Hostname: nodeHostname,
      Platform: { Architecture: nodePlatform?.architecture ?? '', OS: nodePlatform?.os ?? '' },
    },
    Task: {
      ID: task.id,
      Name: `${taskName(task)}.${task.id}`,
      Slot: task.slot > 0 ? String(task.slot) : task.nodeId,
    },
  };
}
