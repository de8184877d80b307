/**
 * Prints a list the way every `ls` and `ps` does: the command's own table, `table TEMPLATE`, a template per row,
 * `json` for one object per line, or only the first field with -q. Rows are objects whose fields carry Docker's names.
 */
import type { Output } from '../context.js';
import { alignTable } from './table.js';
import { compileTemplate, toJson } from './template.js';

export type Row = Readonly<Record<string, unknown>>;

export interface RowLayout {
  /** The template of the table, cells separated by `\t`. */
  readonly table: string;
  /** Column heads per field; also the fields that a template may name. */
  readonly headers: Readonly<Record<string, unknown>>;
  /** The template for -q. */
  readonly quiet: string;
}

export interface RowOptions {
  readonly format: string;
  readonly quiet?: boolean;
  /** Used when no format was given: from the defaults of the layout or the user's settings. */
  readonly noHeader?: boolean;
}

export function isTableFormat(format: string): boolean {
  return format === '' || format === 'table' || format.startsWith('table ');
}

export function printRows(out: Output, layout: RowLayout, rows: readonly Row[], options: RowOptions): void {
  out.write(renderRows(layout, rows, options));
}

export function renderRows(layout: RowLayout, rows: readonly Row[], options: RowOptions): string {
  const { format } = options;
  if (format === 'json' || format === '{{json .}}') return rows.map((r) => `${toJson(plain(r))}\n`).join('');
  if (isTableFormat(format)) {
    if (options.quiet) return lines(compileTemplate(layout.quiet, 'error'), rows);
    const body = format.startsWith('table ') ? format.slice('table '.length).trim() : layout.table;
    const template = compileTemplate(body, 'error');
    return alignTable(`${template(layout.headers)}\n${lines(template, rows)}`);
  }
  return lines(compileTemplate(format, 'error'), rows);
}

function lines(template: (row: Row) => string, rows: readonly Row[]): string {
  return rows.map((r) => `${template(r)}\n`).join('');
}

/** Methods of a row, such as Label, are not part of its JSON. */
function plain(row: Row): Row {
  return Object.fromEntries(Object.entries(row).filter(([, v]) => typeof v !== 'function'));
}
