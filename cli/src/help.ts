/** The help texts, generated from the command table in the layout that Docker's users know. Pure. */
import type { AnyFlag } from './args/flag.js';
import type { FlagLookup } from './args/parse.js';
import { type Command, usageLine } from './command.js';
import type { CommandTree, Group } from './command-tree.js';

const MIN_TEXT_WIDTH = 24;

export function commandHelp(command: Command, path: string, summary: string, columns: number): string {
  const options = flagLines(command.flags, columns);
  return `\nUsage:  ${usageLine(command, path)}\n\n${summary}\n${options === '' ? '' : `\nOptions:\n${options}`}`;
}

export function groupHelp(name: string, group: Group): string {
  const path = `swarmts ${name}`;
  return (
    `\nUsage:  ${path} COMMAND\n\n${group.summary}\n\nCommands:\n${summaries(group.verbs)}\n` +
    `Run '${path} COMMAND --help' for more information on a command.\n`
  );
}

export function rootHelp(tree: CommandTree, globals: FlagLookup, columns: number): string {
  return (
    '\nUsage:  swarmts [OPTIONS] COMMAND\n\nA cluster of Linux machines that runs your containers\n\n' +
    `Management Commands:\n${summaries(tree.groups)}\nCommands:\n${summaries(tree.commands)}\n` +
    `Global Options:\n${flagLines(globals, columns)}\n` +
    "Run 'swarmts COMMAND --help' for more information on a command.\n"
  );
}

function summaries(of: Readonly<Record<string, { readonly summary: string; readonly hidden?: boolean }>>): string {
  const names = Object.keys(of)
    .filter((n) => !of[n]?.hidden)
    .sort();
  const width = Math.max(11, ...names.map((n) => n.length));
  return names.map((n) => `  ${n.padEnd(width)} ${of[n]?.summary ?? ''}\n`).join('');
}

function flagLines(flags: FlagLookup, columns: number): string {
  const shown = Object.entries(flags)
    .filter(([, f]) => !f.hidden)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, f]) => ({ left: flagLeft(name, f), right: flagRight(f) }));
  const width = Math.max(0, ...shown.map((s) => s.left.length)) + 3;
  const room = Math.max(MIN_TEXT_WIDTH, columns - width);
  return shown
    .map(({ left, right }) => `${left.padEnd(width)}${wrap(right, room).join(`\n${' '.repeat(width)}`)}\n`)
    .join('');
}

function flagLeft(name: string, f: AnyFlag): string {
  return `  ${f.short ? `-${f.short}, ` : '    '}--${name}${f.type === '' ? '' : ` ${f.type}`}`;
}

function flagRight(f: AnyFlag): string {
  return f.defaultText === undefined ? f.help : `${f.help} (default ${f.defaultText})`;
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
