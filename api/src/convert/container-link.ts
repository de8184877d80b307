/** `--link` in Docker's notation. */
import { SwarmtsError } from '@swarmts/lib';
import type { ContainerLink } from '../backend.js';

/** "name:alias", "name", or "/name:/container/alias" as it is inspected. */
export function readLink(text: string): ContainerLink {
  if (text === '') throw new SwarmtsError('invalid-argument', 'invalid empty value for links');
  const [container = '', alias = container, ...more] = text.split(':');
  if (more.length > 0 || container === '' || alias === '') {
    throw new SwarmtsError('invalid-argument', `bad format for links: ${text}`);
  }
  const name = alias.slice(alias.lastIndexOf('/') + 1);
  if (name === '') throw new SwarmtsError('invalid-argument', `bad format for links: ${text}`);
  return { container: container.replace(/^\//, ''), alias: name };
}

/** As a container is inspected. */
export function linkJson(containerName: string, l: ContainerLink): string {
  return `/${l.container}:/${containerName}/${l.alias}`;
}
