/**
 * Docker's `filters` parameter: {"label":["a=b"]} or the old {"label":{"a=b":true}}. Values of one name are an OR (labels
 * an AND), names are ANDed, an unknown name is an error.
 */
import { messageOf, SwarmtsError } from '@swarmts/lib';
import { RE2JS } from 're2js';
import { isRecord } from './json/object.js';

export type FilterArgs = ReadonlyMap<string, readonly string[]>;

export function parseFilters(query: URLSearchParams, allowed: readonly string[]): FilterArgs {
  const text = query.get('filters') ?? '';
  const filters = new Map<string, readonly string[]>();
  if (text === '') return filters;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (e) {
    throw new SwarmtsError('invalid-argument', `invalid filters: ${messageOf(e)}`);
  }
  // What clients in Go make of no filters at all.
  if (value === null) return filters;
  if (!isRecord(value)) throw new SwarmtsError('invalid-argument', 'invalid filters: not a JSON object');
  for (const [name, v] of Object.entries(value)) {
    if (!allowed.includes(name)) throw new SwarmtsError('invalid-argument', `invalid filter '${name}'`);
    filters.set(name, valuesOf(name, v));
  }
  return filters;
}

function valuesOf(name: string, v: unknown): readonly string[] {
  // As dockerd, which looks at the names alone.
  const list = Array.isArray(v) ? v : isRecord(v) ? Object.keys(v) : undefined;
  const texts = list?.filter((x): x is string => typeof x === 'string');
  if (texts === undefined || texts.length !== list?.length) {
    throw new SwarmtsError('invalid-argument', `invalid filter '${name}': its value must be a list of strings`);
  }
  return texts;
}

/** No such filter, or one of its values is accepted. */
export function accepts(filters: FilterArgs, name: string, test: (value: string) => boolean): boolean {
  const values = filters.get(name);
  return values === undefined || values.length === 0 || values.some(test);
}

/** The name, or a regular expression in Go's syntax that fits a part of it; one that cannot be read fits nothing, as in Docker. */
export function acceptsName(filters: FilterArgs, name: string): boolean {
  return accepts(filters, 'name', (v) => v === name || patternsOf(filters).get(v)?.matcher(name).find() === true);
}

/** Read once for all the names that a list asks about. */
const known = new WeakMap<FilterArgs, ReadonlyMap<string, RE2JS | undefined>>();

function patternsOf(filters: FilterArgs): ReadonlyMap<string, RE2JS | undefined> {
  const patterns = known.get(filters) ?? new Map((filters.get('name') ?? []).map((v) => [v, readPattern(v)]));
  known.set(filters, patterns);
  return patterns;
}

function readPattern(text: string): RE2JS | undefined {
  try {
    return RE2JS.compile(text);
  } catch {
    return undefined;
  }
}

/** What a prune is to take: it has all of `label`, and not all of `label!`. */
export function acceptsPrunedLabels(filters: FilterArgs, labels: Readonly<Record<string, string>>): boolean {
  const spared = filters.has('label!') && acceptsLabels(filters, 'label!', labels);
  return acceptsLabels(filters, 'label', labels) && !spared;
}

/** Every `key` or `key=value` of the filter is among the labels. */
export function acceptsLabels(filters: FilterArgs, name: string, labels: Readonly<Record<string, string>>): boolean {
  return (filters.get(name) ?? []).every((want) => {
    const at = want.indexOf('=');
    const key = at < 0 ? want : want.slice(0, at);
    return Object.hasOwn(labels, key) && (at < 0 || labels[key] === want.slice(at + 1));
  });
}

/** A yes or no, as Docker writes it. */
export function booleanFilter(filters: FilterArgs, name: string): boolean | undefined {
  const value = filters.get(name)?.[0];
  if (value === undefined) return undefined;
  if (['1', 'true', 'True', 'TRUE'].includes(value)) return true;
  if (['0', 'false', 'False', 'FALSE'].includes(value)) return false;
  throw new SwarmtsError('invalid-argument', `invalid filter '${name}=[${value}]'`);
}

/** The value must be one of the words. */
export function checkWords(filters: FilterArgs, name: string, words: readonly string[]): void {
  for (const v of filters.get(name) ?? []) {
    if (!words.includes(v)) throw new SwarmtsError('invalid-argument', `invalid filter '${name}=${v}'`);
  }
}
