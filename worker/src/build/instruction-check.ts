/** Mistakes that a Dockerfile shows before anything is built: they are told with their line, and no step begins. Pure. */
import { isSwarmtsError, SwarmtsError } from '@swarmts/lib';
import { applyConfigInstruction, jsonList } from './config-instructions.js';
import { tooFewArguments } from './copy-step.js';
import type { Instruction } from './dockerfile.js';
import { nameValues, splitWords } from './shell-words.js';

/** Instructions that take their text as it is, so that nothing of it depends on the build. */
const FIXED = ['ONBUILD', 'SHELL', 'HEALTHCHECK'];

export function checkInstruction(i: Instruction, escapeChar: string): void {
  try {
    check(i, escapeChar);
  } catch (e) {
    if (!isSwarmtsError(e)) throw e;
    throw new SwarmtsError('invalid-argument', `dockerfile parse error on line ${i.line}: ${e.message}`, { cause: e });
  }
}

function check(i: Instruction, escapeChar: string): void {
  if (i.keyword === 'ENV' || i.keyword === 'LABEL') nameValues(i.text, i.keyword, escapeChar);
  else if (i.keyword === 'COPY' || i.keyword === 'ADD') {
    if ((jsonList(i.text) ?? splitWords(i.text, escapeChar)).length < 2) throw tooFewArguments(i);
  } else if (FIXED.includes(i.keyword)) {
    applyConfigInstruction(i, { config: {}, author: '', cmdSet: false }, { variables: new Map(), escapeChar });
  }
}
