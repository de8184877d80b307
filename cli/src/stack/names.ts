/** What belongs to a stack, and how it is called in the cluster. The labels are Docker's. */
import { CommandError } from '../exit.js';

export const NAMESPACE_LABEL = 'com.docker.stack.namespace';
export const IMAGE_LABEL = 'com.docker.stack.image';

export function scoped(stack: string, name: string): string {
  return `${stack}_${name}`;
}

/** The name within the stack; what is not of it stays as it is. */
export function descoped(stack: string, name: string): string {
  return name.startsWith(`${stack}_`) ? name.slice(stack.length + 1) : name;
}

export function checkStackName(name: string): string {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name)) return name;
  throw new CommandError(
    `invalid stack name: "${name}": use letters, digits, '_', '.' and '-', a letter or digit first`,
  );
}

/** Filters that find what belongs to a stack. */
export function stackFilter(stack: string): { readonly label: readonly string[] } {
  return { label: [`${NAMESPACE_LABEL}=${stack}`] };
}
