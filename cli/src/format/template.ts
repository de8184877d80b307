/** The templates of `--format`: Go's, with the functions that Docker adds. */
import {
  compileTemplate as compile,
  type MissingField,
  show,
  type Template,
  type TemplateFunctions,
  textArgument,
} from '@swarmts/lib/go-template';

/** Keys as they are, functions left out, as one line. */
export function toJson(v: unknown): string {
  return JSON.stringify(v ?? null) ?? 'null';
}

const formatFunctions: TemplateFunctions = {
  json: (v) => toJson(v),
  split: (v, sep) => textArgument(v, 'split').split(textArgument(sep, 'split')),
  join: (v, sep) => (Array.isArray(v) ? v : []).map(show).join(textArgument(sep, 'join')),
  title: (v) =>
    textArgument(v, 'title').replace(/(^|[^\p{L}\p{N}_'])(\p{L})/gu, (_, a: string, b: string) => a + b.toUpperCase()),
  lower: (v) => textArgument(v, 'lower').toLowerCase(),
  upper: (v) => textArgument(v, 'upper').toUpperCase(),
  pad: (v, before, after) => {
    const s = textArgument(v, 'pad');
    return s === '' ? '' : ' '.repeat(Number(before)) + s + ' '.repeat(Number(after));
  },
  truncate: (v, n) => [...textArgument(v, 'truncate')].slice(0, Number(n)).join(''),
};

export function compileTemplate(source: string, missing: MissingField): Template {
  // The shell hands over `\t` and `\n` as two characters; people mean the tab and the line end.
  return compile(source.replaceAll('\\t', '\t').replaceAll('\\n', '\n'), { missing, functions: formatFunctions });
}
