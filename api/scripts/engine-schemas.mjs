// Takes from Docker's description of its API (api/docs/v1.55.yaml of moby/moby) what the tests check answers against: names and
// types of fields, no text. Usage: node api/scripts/engine-schemas.mjs v1.55.yaml > api/testdata/engine-schemas.json
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

const METHODS = ['get', 'post', 'put', 'delete', 'head'];

function shapeOf(schema) {
  const out = {};
  for (const key of ['type', 'required', 'enum', '$ref']) if (schema[key] !== undefined) out[key] = schema[key];
  if (schema['x-nullable'] === true) out.nullable = true;
  if (schema.properties) {
    out.properties = Object.fromEntries(Object.entries(schema.properties).map(([k, v]) => [k, shapeOf(v ?? {})]));
  }
  if (schema.items) out.items = shapeOf(schema.items);
  if (schema.allOf) out.allOf = schema.allOf.map(shapeOf);
  const more = schema.additionalProperties;
  if (more !== undefined) out.additionalProperties = typeof more === 'object' && more !== null ? shapeOf(more) : more;
  return out;
}

const document = parse(readFileSync(process.argv[2], 'utf8'));
const definitions = Object.fromEntries(Object.entries(document.definitions).map(([name, s]) => [name, shapeOf(s)]));
const responses = {};
for (const [path, methods] of Object.entries(document.paths)) {
  for (const method of METHODS) {
    for (const [status, response] of Object.entries(methods[method]?.responses ?? {})) {
      if (response.schema === undefined) continue;
      const endpoint = `${method.toUpperCase()} ${path}`;
      responses[endpoint] = { ...responses[endpoint], [status]: shapeOf(response.schema) };
    }
  }
}
process.stdout.write(`${JSON.stringify({ definitions, responses }, null, 1)}\n`);
