/**
 * Reading of untrusted JSON objects, field by field. As in Docker, unknown fields are ignored, names match without
 * regard to case, null counts as absent, and a value of the wrong type is refused with the path of its field.
 */
import { SwarmtsError } from '@swarmts/lib';

const INT64_LIMIT = 2 ** 63;

export class JsonObject {
  readonly value: Readonly<Record<string, unknown>>;
  readonly path: string;

  constructor(value: Readonly<Record<string, unknown>>, path = '') {
    this.value = value;
    this.path = path;
  }

  /** Any JSON value as an object; `what` names it in the error. */
  static of(value: unknown, what: string): JsonObject {
    if (!isRecord(value)) throw wrongType(what, 'an object', value);
    return new JsonObject(value);
  }

  raw(name: string): unknown {
    const exact = Object.hasOwn(this.value, name) ? this.value[name] : this.#insensitive(name);
    return exact === null ? undefined : exact;
  }

  has(name: string): boolean {
    return this.raw(name) !== undefined;
  }

  string(name: string): string {
    const v = this.raw(name);
    if (v === undefined) return '';
    if (typeof v !== 'string') throw wrongType(this.#at(name), 'a string', v);
    return v;
  }

  boolean(name: string): boolean {
    const v = this.raw(name);
    if (v === undefined) return false;
    if (typeof v !== 'boolean') throw wrongType(this.#at(name), 'a boolean', v);
    return v;
  }

  number(name: string): number {
    const v = this.raw(name);
    if (v === undefined) return 0;
    if (typeof v !== 'number') throw wrongType(this.#at(name), 'a number', v);
    return v;
  }

  /** Of 64 bits: above 2^53, which is 104 days in nanoseconds, it is the nearest number that there is. */
  integer(name: string): number {
    const v = this.number(name);
    if (!Number.isInteger(v)) throw wrongType(this.#at(name), 'an integer', v);
    if (Math.abs(v) >= INT64_LIMIT)
      throw new SwarmtsError('invalid-argument', `invalid JSON: ${this.#at(name)} is out of range: ${v}`);
    return v;
  }

  /** An integer that Docker types as unsigned. */
  unsigned(name: string): number {
    const v = this.integer(name);
    if (v < 0) throw new SwarmtsError('invalid-argument', `invalid JSON: ${this.#at(name)} must not be negative: ${v}`);
    return v;
  }

  object(name: string): JsonObject | undefined {
    const v = this.raw(name);
    if (v === undefined) return undefined;
    if (!isRecord(v)) throw wrongType(this.#at(name), 'an object', v);
    return new JsonObject(v, this.#at(name));
  }

  objects(name: string): JsonObject[] {
    return this.#array(name).map((v, i) => {
      const path = `${this.#at(name)}[${i}]`;
      if (!isRecord(v)) throw wrongType(path, 'an object', v);
      return new JsonObject(v, path);
    });
  }

  strings(name: string): string[] {
    return this.#array(name).map((v, i) => {
      if (typeof v !== 'string') throw wrongType(`${this.#at(name)}[${i}]`, 'a string', v);
      return v;
    });
  }

  /** A map of strings. */
  map(name: string): Record<string, string> {
    const o = this.object(name);
    if (o === undefined) return {};
    return Object.fromEntries(
      Object.entries(o.value).map(([k, v]) => {
        if (typeof v !== 'string') throw wrongType(`${o.path}.${k}`, 'a string', v);
        return [k, v];
      }),
    );
  }

  /** Base64 as Go's []byte. */
  bytes(name: string): Uint8Array {
    const text = this.string(name);
    if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text)) {
      throw new SwarmtsError('invalid-argument', `invalid JSON: ${this.#at(name)} is not base64`);
    }
    return new Uint8Array(Buffer.from(text, 'base64'));
  }

  /** One of the names of `table`; '' gives `otherwise`. */
  oneOf<T>(name: string, table: Readonly<Record<string, T>>, otherwise: T): T {
    const text = this.string(name);
    if (text === '') return otherwise;
    const found = Object.hasOwn(table, text) ? table[text] : undefined;
    if (found === undefined) {
      const words = Object.keys(table).join(', ');
      throw new SwarmtsError('invalid-argument', `invalid ${this.#at(name)}: "${text}" is none of ${words}`);
    }
    return found;
  }

  #array(name: string): readonly unknown[] {
    const v = this.raw(name);
    if (v === undefined) return [];
    if (!Array.isArray(v)) throw wrongType(this.#at(name), 'an array', v);
    return v;
  }

  #at(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`;
  }

  #insensitive(name: string): unknown {
    const wanted = name.toLowerCase();
    const key = Object.keys(this.value).find((k) => k.toLowerCase() === wanted);
    return key === undefined ? undefined : this.value[key];
  }
}

export function isRecord(v: unknown): v is Readonly<Record<string, unknown>> {
  return typeof v === 'object' && v !== null && !Array.isArray(v);
}

function wrongType(path: string, wanted: string, got: unknown): SwarmtsError {
  const kind = Array.isArray(got) ? 'array' : got === null ? 'null' : typeof got;
  return new SwarmtsError('invalid-argument', `invalid JSON: ${path} must be ${wanted}, not ${kind}`);
}
