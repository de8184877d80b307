/** Checks a file against the schema; numbers and booleans that interpolation made strings of become what they are. */
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { CommandError } from '../exit.js';
import type { ComposeDocument, Path } from './document.js';
import { composeSchema } from './schema.js';

/** Errors shown at once. */
const MAX_ERRORS = 10;

/** The check throws CommandError with one line per error: file, line, path, what is wrong. */
export function composeValidator(): (document: ComposeDocument, value: unknown) => void {
  const check = new Ajv({ allErrors: true, coerceTypes: true, verbose: true, strict: false }).compile(composeSchema);
  return (document, value) => validate(check, document, value);
}

function validate(check: ValidateFunction, document: ComposeDocument, value: unknown): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new CommandError(`${document.where([])}: a compose file is a map with the key services`);
  if (check(value)) return;
  const lines = mostSpecific(check.errors ?? []).map((e) => {
    const path = pathOf(e);
    const name = path.length === 0 ? 'the file' : path.join('.');
    return `${document.where(path)}: ${name} ${words(e)}`;
  });
  throw new CommandError([...new Set(lines)].slice(0, MAX_ERRORS).join('\n'));
}

function pathOf(e: ErrorObject): Path {
  const path = e.instancePath
    .split('/')
    .slice(1)
    .map((p) => p.replaceAll('~1', '/').replaceAll('~0', '~'));
  const extra = e.params.additionalProperty;
  return typeof extra === 'string' ? [...path, extra] : path;
}

/** Of an alternative that failed, what its branches complain about deeper inside says more than that none fits. */
function mostSpecific(errors: readonly ErrorObject[]): readonly ErrorObject[] {
  const alternatives = errors.filter((e) => e.keyword === 'anyOf');
  return errors.filter((e) => {
    if (e.keyword === 'anyOf')
      return !errors.some(
        (x) => x !== e && x.keyword !== 'anyOf' && pathOf(x).length > pathOf(e).length && under(x, e),
      );
    return !alternatives.some((a) => a.instancePath === e.instancePath && e.schemaPath.startsWith(`${a.schemaPath}/`));
  });
}

function under(e: ErrorObject, parent: ErrorObject): boolean {
  return e.instancePath === parent.instancePath || e.instancePath.startsWith(`${parent.instancePath}/`);
}

function words(e: ErrorObject): string {
  switch (e.keyword) {
    case 'additionalProperties':
      return 'is not a known key here';
    case 'required':
      return `lacks the key ${e.params.missingProperty}`;
    case 'enum':
      return `must be one of ${(e.params.allowedValues as readonly string[]).join(', ')}, not ${JSON.stringify(e.data)}`;
    case 'type':
      return `must be ${article(e.params.type)}, not ${JSON.stringify(e.data)}`;
    case 'anyOf':
      return `must be ${alternativesOf(e).map(article).join(' or ')}, not ${JSON.stringify(e.data)}`;
    default:
      return e.message ?? 'is invalid';
  }
}

function alternativesOf(e: ErrorObject): readonly unknown[] {
  const branches = e.schema as readonly { readonly type?: unknown }[];
  return [...new Set(branches.map((b) => b.type).filter((t) => t !== undefined))];
}

function article(type: unknown): string {
  const names = (Array.isArray(type) ? type : [type]).filter((t) => t !== 'null');
  const words: Readonly<Record<string, string>> = { array: 'a list', object: 'a map', integer: 'an integer' };
  return names.map((t) => words[String(t)] ?? `a ${t}`).join(' or ');
}
