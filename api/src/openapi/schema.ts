/** Small words for JSON schemas. */

export interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean;
  readonly items?: Schema;
  readonly enum?: readonly string[];
}

export const string: Schema = { type: 'string' };
export const integer: Schema = { type: 'integer' };
export const number: Schema = { type: 'number' };
export const boolean: Schema = { type: 'boolean' };

export const described = (schema: Schema, description: string): Schema => ({ ...schema, description });
export const oneOf = (...words: readonly string[]): Schema => ({ type: 'string', enum: words });
export const arrayOf = (items: Schema): Schema => ({ type: 'array', items });

/** Fields whose names end in `?` may be left out; there are no others than those that are named. */
export function object(fields: Readonly<Record<string, Schema>>): Schema {
  const names = Object.keys(fields);
  return {
    type: 'object',
    properties: Object.fromEntries(Object.entries(fields).map(([k, v]) => [k.replace(/\?$/, ''), v])),
    required: names.filter((n) => !n.endsWith('?')),
    additionalProperties: false,
  };
}

/** An object whose fields are described elsewhere. */
export const anyObject = (description: string): Schema => ({ type: 'object', description });
