/** Which names users may give, in Docker's words. */
import { SwarmtsError } from '@swarmts/lib';

/** Each repetition ends with one character, so that there is one way alone to read a name: anything else takes exponential time. */
const SERVICE_NAME = /^[a-zA-Z0-9](?:[-_]*[A-Za-z0-9])*$/;
const MAX_SERVICE_NAME = 63;

/** Names of services and networks: DNS labels. */
export function validateServiceName(name: string): void {
  if (name === '') throw new SwarmtsError('invalid-argument', 'meta: name must be provided');
  if (name.length > MAX_SERVICE_NAME) {
    throw new SwarmtsError('invalid-argument', `name must be ${MAX_SERVICE_NAME} characters or fewer`);
  }
  if (!SERVICE_NAME.test(name)) {
    throw new SwarmtsError(
      'invalid-argument',
      `name must be valid as a DNS name component: '${name}' has other characters than letters, digits, '-' and '_', or begins or ends with '-' or '_'`,
    );
  }
}

const SECRET_NAME = /^[a-zA-Z0-9]+(?:[a-zA-Z0-9-_.]*[a-zA-Z0-9])?$/;

/** Names of secrets and configs. */
export function validateSecretName(name: string): void {
  if (name === '') throw new SwarmtsError('invalid-argument', 'name must be provided');
  if (name.length > 64 || !SECRET_NAME.test(name)) {
    throw new SwarmtsError(
      'invalid-argument',
      `invalid name '${name}', only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end character must be [a-zA-Z0-9]`,
    );
  }
}
