/**
 * Checks answers against what Docker's own description of the API says about their shape (testdata/engine-schemas.json, made by
 * scripts/engine-schemas.mjs). Go writes null for lists and maps that are not there, so null is let through for both.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv, type ValidateFunction } from 'ajv';
import { ownEndpoints } from '../openapi/own-endpoints.js';

const FILE = fileURLToPath(new URL('../../testdata/engine-schemas.json', import.meta.url));
const MAX_ERRORS = 8;
/** Where an engine itself differs from its description: it writes `ID`. */
const NOT_AS_DESCRIBED: readonly string[] = ['POST /secrets/create', 'POST /configs/create'];
/** Pointers in Go: an engine writes null for them. */
const NULLABLE_FIELDS: readonly string[] = ['MemorySwappiness', 'OomKillDisable', 'PidsLimit', 'Init'];

interface Schema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly allOf?: readonly Schema[];
  readonly additionalProperties?: boolean | Schema;
  readonly nullable?: boolean;
  readonly enum?: readonly unknown[];
  readonly $ref?: string;
}

interface SchemaFile {
  readonly definitions: Readonly<Record<string, Schema>>;
  readonly responses: Readonly<Record<string, Readonly<Record<string, Schema>>>>;
}

export class ResponseChecker {
  readonly #ajv = new Ajv({ allErrors: true, strict: false });
  readonly #responses: readonly {
    readonly method: string;
    readonly path: RegExp;
    readonly status: string;
    readonly schema: Schema;
  }[];
  readonly #compiled = new Map<Schema, ValidateFunction>();

  constructor() {
    // Made by our own script.
    const file = JSON.parse(readFileSync(FILE, 'utf8')) as SchemaFile;
    const definitions = Object.fromEntries(Object.entries(file.definitions).map(([k, v]) => [k, relaxed(v)]));
    this.#ajv.addSchema({ $id: 'engine', definitions });
    const described = Object.entries(file.responses).filter(([endpoint]) => !NOT_AS_DESCRIBED.includes(endpoint));
    const engine = described.flatMap(([endpoint, byStatus]) => {
      const [method = '', path = ''] = endpoint.split(' ');
      const regex = new RegExp(`^${path.replaceAll(/\{name\}/g, '.+').replaceAll(/\{\w+\}/g, '[^/]+')}$`);
      return Object.entries(byStatus).map(([status, schema]) => ({
        method,
        path: regex,
        status,
        schema: relaxed(schema, false),
      }));
    });
    this.#responses = [...engine, ...ownResponses()];
  }

  /** What is wrong with an answer; [] when it fits, or when nothing is known about it. */
  errorsOf(method: string, url: string, status: number, body: unknown): readonly string[] {
    const path = (url.split('?')[0] ?? '').replace(/^\/v\d+\.\d+/, '');
    const known = this.#responses.find((r) => r.method === method && r.status === String(status) && r.path.test(path));
    if (!known) return [];
    let check = this.#compiled.get(known.schema);
    if (!check) {
      check = this.#ajv.compile(known.schema);
      this.#compiled.set(known.schema, check);
    }
    if (check(body)) return [];
    const errors = (check.errors ?? []).map((e) => `${e.instancePath || '/'} ${e.message} ${JSON.stringify(e.params)}`);
    return [...new Set(errors)].slice(0, MAX_ERRORS);
  }
}

/** Of our own routes, which are described without Go's nulls. */
function ownResponses() {
  return Object.entries(ownEndpoints).flatMap(([endpoint, { answer, status }]) => {
    const [method = '', path = ''] = endpoint.split(' ');
    if (!answer) return [];
    const regex = new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`);
    return [{ method, path: regex, status: String(status ?? 200), schema: answer as Schema }];
  });
}

/** As ajv wants it: references into the one document, and null where Go writes it. */
function relaxed(s: Schema, mayBeAbsent = true): Schema {
  if (s.$ref !== undefined) {
    const $ref = s.$ref.replace('#/', 'engine#/');
    return mayBeAbsent ? ({ anyOf: [{ $ref }, { type: 'null' }] } as Schema) : { $ref };
  }
  const each = (o: Readonly<Record<string, Schema>>) =>
    Object.fromEntries(
      Object.entries(o).map(([k, v]) => [k, relaxed(NULLABLE_FIELDS.includes(k) ? { ...v, nullable: true } : v)]),
    );
  const mayBeNull = s.nullable === true || s.type === 'array' || s.type === 'object';
  const more = s.additionalProperties;
  const { nullable: _nullable, ...rest } = s;
  if (s.nullable === true && s.allOf) return { anyOf: [{ type: 'null' }, relaxed(rest)] } as Schema;
  return {
    ...(s.type === undefined ? rest : s),
    ...(mayBeNull && typeof s.type === 'string' ? { type: [s.type, 'null'] } : {}),
    ...(s.enum && mayBeNull ? { enum: [...s.enum, null] } : {}),
    ...(s.properties ? { properties: each(s.properties) } : {}),
    ...(s.items ? { items: relaxed(s.items) } : {}),
    ...(s.allOf
      ? { allOf: s.allOf.map((x) => (x.$ref ? { $ref: x.$ref.replace('#/', 'engine#/') } : relaxed(x))) }
      : {}),
    ...(typeof more === 'object' ? { additionalProperties: relaxed(more) } : {}),
  };
}
