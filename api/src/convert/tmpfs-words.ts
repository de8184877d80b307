/** TmpfsOptions.Options of a mount, both ways: in Docker's JSON lists of a word, or of a key and its value, elsewhere "key=value". */
import { SwarmtsError } from '@swarmts/lib';
import type { JsonObject } from '../json/object.js';

export function readTmpfsWords(tmpfs: JsonObject): readonly string[] {
  const options = tmpfs.raw('Options') ?? [];
  if (!Array.isArray(options) || !options.every(isTmpfsOption)) {
    const what = 'invalid TmpfsOptions.Options: each option is a list of one or two texts';
    throw new SwarmtsError('invalid-argument', what);
  }
  return options.map((o) => o.join('='));
}

export function tmpfsWordJson(word: string): readonly string[] {
  const at = word.indexOf('=');
  return at < 0 ? [word] : [word.slice(0, at), word.slice(at + 1)];
}

const isTmpfsOption = (o: unknown): o is readonly string[] =>
  Array.isArray(o) && (o.length === 1 || o.length === 2) && o.every((x) => typeof x === 'string');
