/**
 * Evaluates a parsed template on plain data. A field that does not exist is an error for rows, whose fields are known,
 * and "<no value>" for objects of the API, where an absent key means the zero value. Values that are functions are called:
 * they are the methods of a row, such as `.Label "name"`.
 */
import { SwarmtsError } from './errors.js';
import { goFunctions, show, type TemplateFunctions, truthy } from './go-template-functions.js';
import {
  type Operand,
  type PipeCommand,
  type Pipeline,
  parseTemplate,
  type TemplateNode,
  type Term,
} from './go-template-parse.js';

export type MissingField = 'error' | 'no-value';
export type Template = (data: unknown) => string;
type Block = Extract<TemplateNode, { kind: 'if' | 'with' | 'range' }>;

/** The largest number of steps of all loops of one template. */
const MAX_STEPS = 1_000_000;

export interface TemplateOptions {
  readonly missing: MissingField;
  /** Besides Go's own, or in their place. */
  readonly functions: TemplateFunctions;
}

/** Throws SwarmtsError 'invalid-argument', and so does the template when it meets data that it cannot use. */
export function compileTemplate(source: string, o: TemplateOptions): Template {
  const nodes = parseTemplate(source);
  const functions = { ...goFunctions, ...o.functions };
  checkNames(nodes, functions);
  return (data) => new Evaluation(o.missing, functions, data).run(nodes, data);
}

function checkNames(nodes: readonly TemplateNode[], functions: TemplateFunctions): void {
  for (const node of nodes) {
    if (node.kind === 'text') continue;
    checkPipeline(node.pipe, functions);
    if (node.kind !== 'action') {
      checkNames(node.body, functions);
      checkNames(node.otherwise, functions);
    }
  }
}

function checkPipeline(p: Pipeline, functions: TemplateFunctions): void {
  for (const { operand } of p.commands.flat()) {
    if (operand.kind === 'pipe') checkPipeline(operand.pipe, functions);
    if (operand.kind === 'call' && !Object.hasOwn(functions, operand.name)) {
      throw new SwarmtsError(
        'invalid-argument',
        `template parsing error: template: :1: function "${operand.name}" not defined`,
      );
    }
  }
}

class Evaluation {
  readonly #missing: MissingField;
  readonly #functions: TemplateFunctions;
  /** Innermost scope last; a name is found from the end. */
  readonly #variables: { name: string; value: unknown }[];
  #steps = 0;

  constructor(missing: MissingField, functions: TemplateFunctions, data: unknown) {
    this.#missing = missing;
    this.#functions = functions;
    this.#variables = [{ name: '$', value: data }];
  }

  run(nodes: readonly TemplateNode[], dot: unknown): string {
    const scope = this.#variables.length;
    let out = '';
    for (const node of nodes) out += this.#node(node, dot);
    this.#variables.length = scope;
    return out;
  }

  #node(node: TemplateNode, dot: unknown): string {
    if (node.kind === 'text') return node.text;
    if (node.kind === 'action') {
      const value = this.#pipeline(node.pipe, dot);
      return node.pipe.declares.length > 0 ? '' : show(value);
    }
    const scope = this.#variables.length;
    const value = this.#pipeline(node.pipe, dot, node.kind === 'range');
    let out: string;
    if (node.kind === 'range') out = this.#range(node, value, dot);
    else if (truthy(value)) out = this.run(node.body, node.kind === 'with' ? value : dot);
    else out = this.run(node.otherwise, dot);
    this.#variables.length = scope;
    return out;
  }

  #range(node: Block, value: unknown, dot: unknown): string {
    const entries = rangeEntries(value);
    if (entries.length === 0) return this.run(node.otherwise, dot);
    let out = '';
    for (const [key, item] of entries) {
      if (++this.#steps > MAX_STEPS)
        throw new SwarmtsError('invalid-argument', 'template: the loops of the template do not end');
      const scope = this.#variables.length;
      const [first, second] = node.pipe.declares;
      if (first !== undefined) this.#variables.push({ name: first, value: second === undefined ? item : key });
      if (second !== undefined) this.#variables.push({ name: second, value: item });
      out += this.run(node.body, item);
      this.#variables.length = scope;
    }
    return out;
  }

  #pipeline(pipe: Pipeline, dot: unknown, isRange = false): unknown {
    let value: unknown;
    pipe.commands.forEach((command, i) => {
      value = this.#command(command, dot, i > 0 ? [value] : []);
    });
    const [name] = pipe.declares;
    if (name !== undefined && !isRange) {
      const known = pipe.assigns ? this.#variables.findLast((v) => v.name === name) : undefined;
      if (known) known.value = value;
      else this.#variables.push({ name, value });
    }
    return value;
  }

  #command(command: PipeCommand, dot: unknown, piped: readonly unknown[]): unknown {
    const [head, ...rest] = command;
    if (!head) return undefined;
    const args = [...rest.map((t) => this.#value(t, dot)), ...piped];
    if (head.operand.kind === 'call') return this.#functions[head.operand.name]?.(...args);
    const value = this.#term(head, dot);
    if (typeof value === 'function') return value(...args);
    if (args.length > 0) {
      throw new SwarmtsError(
        'invalid-argument',
        `template: can't give argument to non-function .${head.fields.join('.')}`,
      );
    }
    return value;
  }

  /** An argument: a bare function name is called without arguments, a method as well. */
  #value(term: Term, dot: unknown): unknown {
    const value = this.#term(term, dot);
    return typeof value === 'function' ? value() : value;
  }

  #term(term: Term, dot: unknown): unknown {
    let value = this.#operand(term.operand, dot);
    for (const name of term.fields) value = this.#field(typeof value === 'function' ? value() : value, name);
    return value;
  }

  #operand(operand: Operand, dot: unknown): unknown {
    switch (operand.kind) {
      case 'dot':
        return dot;
      case 'literal':
        return operand.value;
      case 'pipe':
        return this.#pipeline(operand.pipe, dot);
      case 'call':
        return this.#functions[operand.name]?.();
      case 'variable': {
        const found = this.#variables.findLast((v) => v.name === operand.name);
        if (!found) {
          throw new SwarmtsError(
            'invalid-argument',
            `template parsing error: template: :1: undefined variable "${operand.name}"`,
          );
        }
        return found.value;
      }
    }
  }

  #field(of: unknown, name: string): unknown {
    if (typeof of === 'object' && of !== null && Object.hasOwn(of, name)) return Reflect.get(of, name);
    const open = of === undefined || of === null || typeof of === 'object';
    if (this.#missing === 'no-value' && open) return undefined;
    throw new SwarmtsError(
      'invalid-argument',
      `template: :1: executing "" at <.${name}>: can't evaluate field ${name}`,
    );
  }
}

function rangeEntries(value: unknown): (readonly [unknown, unknown])[] {
  if (Array.isArray(value)) return value.map((v, i) => [i, v] as const);
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  }
  if (value === undefined || value === null || value === '') return [];
  throw new SwarmtsError('invalid-argument', `template: range can't iterate over ${show(value)}`);
}

export { show, type TemplateFunctions, textArgument } from './go-template-functions.js';
