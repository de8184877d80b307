/** From the words of the command line to one command: global flags, the path in the command table, help, errors. */
import { bool, optionalBool, text } from './args/flag.js';
import { type FlagLookup, parseArguments } from './args/parse.js';
import { parseFor } from './command.js';
import { type CommandTree, commandTree, type Group, type Leaf } from './command-tree.js';
import type { Context, Output } from './context.js';
import { CommandError, errorText, UsageError } from './exit.js';
import { ApiClient } from './http/client.js';
import { chooseHost, type Host } from './http/host.js';

export const globalFlags: FlagLookup = {
  host: text('Daemon socket to connect to', { short: 'H' }),
  tls: bool('Use TLS; implied by --tlsverify'),
  tlscacert: text('Trust certs signed only by this CA'),
  tlscert: text('Path to TLS certificate file'),
  tlskey: text('Path to TLS key file'),
  tlsverify: optionalBool('Use TLS and verify the remote'),
  node: text('Node of the swarm to work on, through the managers'),
  version: bool('Print version information and quit', { short: 'v' }),
} as FlagLookup;

export type Terminal = Omit<Context, 'api'>;

interface Found {
  readonly path: string;
  readonly leaf: Leaf;
  readonly rest: readonly string[];
}

/** The exit code. Everything that goes wrong is told on stderr here and nowhere else. */
export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  try {
    await dispatch(argv, terminal);
    return 0;
  } catch (e) {
    const message = errorText(e);
    if (message !== '') terminal.err.write(`${message}\n`);
    return e instanceof CommandError ? e.exitCode : 1;
  }
}

async function dispatch(argv: readonly string[], terminal: Terminal): Promise<void> {
  let globals: ReturnType<typeof parseArguments>;
  try {
    globals = parseArguments(globalFlags, argv, { interspersed: false });
  } catch (e) {
    throw new UsageError(errorText(e), 'swarmts');
  }
  if (globals.values.version === true) {
    terminal.out.write(`swarmts version ${terminal.version}\n`);
    return;
  }
  const words = globals.args;
  if (globals.help || words.length === 0) return printHelp([], terminal.out);
  if (words[0] === 'help') return printHelp(words.slice(1), terminal.out);
  const found = find(commandTree, words);
  if ('group' in found) {
    const { groupHelp } = await import('./help.js');
    terminal.out.write(groupHelp(found.name, found.group));
    return;
  }
  const given = (name: string) => String(globals.values[name] ?? '');
  const { tls, tlsverify } = globals.values;
  const flags = {
    tls: tls === true,
    verify: typeof tlsverify === 'boolean' ? tlsverify : undefined,
    ca: given('tlscacert'),
    cert: given('tlscert'),
    key: given('tlskey'),
  };
  const host = () => chooseHost(given('host'), terminal.env, flags);
  await runLeaf(found, terminal, host, given('node'));
}

async function runLeaf(found: Found, terminal: Terminal, host: () => Host, node: string): Promise<void> {
  const { command } = await found.leaf.load();
  const parsed = parseFor(command, found.path, found.leaf.summary, found.rest);
  if (parsed.help || (command.needsFlag && parsed.given.size === 0)) {
    const { commandHelp } = await import('./help.js');
    terminal.out.write(commandHelp(command, found.path, found.leaf.summary, terminal.out.columns));
    return;
  }
  const api = await clientOf(host(), node);
  try {
    await command.run({ ...terminal, api }, parsed);
  } finally {
    api.close();
  }
}

/** With a node, every connection leads to that one's own API. */
async function clientOf(host: Host, node: string): Promise<ApiClient> {
  if (node === '') return new ApiClient(host);
  const { TunnelAgent } = await import('./http/tunnel.js');
  return new ApiClient(host, new TunnelAgent(host, node), node);
}

type Search = Found | { readonly group: Group; readonly name: string };

/** The command that the first one or two words name; a group without a verb is a wish for its help. */
export function find(tree: CommandTree, words: readonly string[]): Search {
  const [first = '', second] = words;
  const group = Object.hasOwn(tree.groups, first) ? tree.groups[first] : undefined;
  if (group) {
    if (second === undefined || second === '--help' || second === '-h') return { group, name: first };
    const verb = Object.hasOwn(group.verbs, second) ? group.verbs[second] : undefined;
    if (verb) return { path: `swarmts ${first} ${second}`, leaf: verb, rest: words.slice(2) };
    throw new UsageError(
      second.startsWith('-') ? `unknown flag: ${second}` : `swarmts: '${first} ${second}' is not a swarmts command.`,
      `swarmts ${first}`,
      second.startsWith('-') ? 125 : 1,
    );
  }
  const leaf = Object.hasOwn(tree.commands, first) ? tree.commands[first] : undefined;
  if (leaf) return { path: `swarmts ${first}`, leaf, rest: words.slice(1) };
  throw new UsageError(`swarmts: '${first}' is not a swarmts command.`, 'swarmts', 1);
}

async function printHelp(words: readonly string[], out: Output): Promise<void> {
  const { commandHelp, groupHelp, rootHelp } = await import('./help.js');
  if (words.length === 0) {
    out.write(rootHelp(commandTree, globalFlags, out.columns));
    return;
  }
  const found = find(commandTree, words);
  if ('group' in found) {
    out.write(groupHelp(found.name, found.group));
    return;
  }
  const { command } = await found.leaf.load();
  out.write(commandHelp(command, found.path, found.leaf.summary, out.columns));
}
