/** `--change` of commit and import: Dockerfile instructions applied to a configuration. */
import { isSwarmtsError, SwarmtsError } from '@swarmts/lib';
import type { ImageConfig } from '../images/image-api.js';
import { applyConfigInstruction, type ConfigState, variablesOf } from './config-instructions.js';
import { parseInstruction } from './dockerfile.js';

const ALLOWED = [
  ...['CMD', 'ENTRYPOINT', 'ENV', 'EXPOSE', 'HEALTHCHECK', 'LABEL', 'ONBUILD', 'STOPSIGNAL', 'USER', 'VOLUME'],
  'WORKDIR',
];

export function applyChanges(config: ImageConfig, changes: readonly string[]): ImageConfig {
  let state: ConfigState = { config, author: '', cmdSet: false };
  for (const change of changes) {
    if (change.trim() === '') continue;
    const [keyword = ''] = change.trim().split(/\s/);
    if (!ALLOWED.includes(keyword.toUpperCase())) {
      throw new SwarmtsError('invalid-argument', `${keyword.toLowerCase()} is not a valid change command`);
    }
    const instruction = parseInstruction(change);
    try {
      const context = { variables: variablesOf(state.config), escapeChar: '\\' };
      state = applyConfigInstruction(instruction, state, context).state;
    } catch (e) {
      if (isSwarmtsError(e)) throw new SwarmtsError('invalid-argument', `${change}: ${e.message}`, { cause: e });
      throw e;
    }
  }
  return state.config;
}
