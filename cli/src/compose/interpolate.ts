/**
 * Variables in a compose file: $NAME, ${NAME}, ${NAME:-default}, ${NAME-default}, ${NAME:?message}, ${NAME?message},
 * ${NAME:+instead}, ${NAME+instead}, nested; $$ is a dollar. The colon forms also take an empty value for a missing one. Pure.
 */

export type Variables = (name: string) => string | undefined;

const NAME = /^[A-Za-z_][A-Za-z0-9_]*/;
const OPERATOR = /^(:?)([-?+])/;

/** Throws Error with what is wrong; `onUnset` is told of variables that are nowhere set and have no default. */
export function interpolate(text: string, variables: Variables, onUnset: (name: string) => void): string {
  let out = '';
  let i = 0;
  while (i < text.length) {
    const at = text.indexOf('$', i);
    if (at < 0) return out + text.slice(i);
    out += text.slice(i, at);
    const rest = text.slice(at + 1);
    if (rest.startsWith('$')) {
      out += '$';
      i = at + 2;
    } else if (rest.startsWith('{')) {
      const end = closingBrace(text, at + 1);
      if (end < 0)
        throw new Error(`invalid interpolation format: ${text.slice(at)} has no closing brace; write $$ for a dollar`);
      out += substitute(text.slice(at + 2, end), variables, onUnset);
      i = end + 1;
    } else {
      const name = NAME.exec(rest)?.[0];
      if (name === undefined)
        throw new Error(`invalid interpolation format: ${text.slice(at, at + 12)}; write $$ for a dollar`);
      out += lookUp(name, variables, onUnset);
      i = at + 1 + name.length;
    }
  }
  return out;
}

function substitute(expression: string, variables: Variables, onUnset: (name: string) => void): string {
  const name = NAME.exec(expression)?.[0];
  if (name === undefined) throw new Error(`invalid interpolation format: \${${expression}}`);
  const rest = expression.slice(name.length);
  if (rest === '') return lookUp(name, variables, onUnset);
  const m = OPERATOR.exec(rest);
  if (!m) throw new Error(`invalid interpolation format: \${${expression}}`);
  const value = variables(name);
  const present = value !== undefined && (m[1] === '' || value !== '');
  const word = () => interpolate(rest.slice(m[0].length), variables, onUnset);
  switch (m[2]) {
    case '-':
      return present ? (value ?? '') : word();
    case '+':
      return present ? word() : '';
    default:
      if (present) return value ?? '';
      throw new Error(`required variable ${name} is missing a value: ${word() || 'it is not set'}`);
  }
}

function lookUp(name: string, variables: Variables, onUnset: (name: string) => void): string {
  const value = variables(name);
  if (value === undefined) onUnset(name);
  return value ?? '';
}

/** Index of the brace that closes the one at `open`. */
function closingBrace(text: string, open: number): number {
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    if (text[i] === '{') depth++;
    else if (text[i] === '}' && --depth === 0) return i;
  }
  return -1;
}

/** The strings of a value, each interpolated; keys stay. Errors are told with the path. */
export function interpolateAll(
  value: unknown,
  variables: Variables,
  fail: (path: readonly (string | number)[], message: string) => never,
  onUnset: (name: string) => void,
  path: readonly (string | number)[] = [],
): unknown {
  if (typeof value === 'string') {
    try {
      return interpolate(value, variables, onUnset);
    } catch (e) {
      return fail(path, e instanceof Error ? e.message : String(e));
    }
  }
  if (Array.isArray(value)) return value.map((v, i) => interpolateAll(v, variables, fail, onUnset, [...path, i]));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([k, v]) => [k, interpolateAll(v, variables, fail, onUnset, [...path, k])]),
  );
}
