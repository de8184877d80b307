/** The keys that leave a terminal without ending what runs in it. Pure. */
import { SwarmtsError } from '@swarmts/lib';

export const DEFAULT_DETACH_KEYS = 'ctrl-p,ctrl-q';
const CONTROL_KEYS = '@abcdefghijklmnopqrstuvwxyz[\\]^_';

/** "ctrl-p,ctrl-q" or "a,b" -> bytes; '' stands for the default. */
export function parseDetachKeys(text: string): Uint8Array {
  const keys = (text === '' ? DEFAULT_DETACH_KEYS : text).split(',');
  return Uint8Array.from(
    keys.map((key) => {
      const control = /^ctrl-(.)$/.exec(key)?.[1];
      const code = control === undefined ? -1 : CONTROL_KEYS.indexOf(control);
      if (code >= 0) return code;
      if (key.length === 1 && key.charCodeAt(0) < 128) return key.charCodeAt(0);
      throw new SwarmtsError('invalid-argument', `Invalid detach keys (${text}) provided: Unknown character: '${key}'`);
    }),
  );
}

export class DetachFilter {
  readonly #keys: Uint8Array;
  #matched = 0;

  constructor(keys: Uint8Array) {
    this.#keys = keys;
  }

  /** What is to be passed on, and whether the keys were typed; what comes after them is dropped. */
  push(typed: Uint8Array): { readonly bytes: Uint8Array; readonly detached: boolean } {
    const out: number[] = [];
    for (const byte of typed) {
      if (byte !== this.#keys[this.#matched]) {
        out.push(...this.#keys.subarray(0, this.#matched));
        this.#matched = 0;
      }
      if (byte === this.#keys[this.#matched]) this.#matched++;
      else out.push(byte);
      if (this.#matched === this.#keys.length) return { bytes: Uint8Array.from(out), detached: true };
    }
    return { bytes: Uint8Array.from(out), detached: false };
  }
}
