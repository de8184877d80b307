/**
 * Completion: the shell's script asks this program for the words that fit (`swarmts __complete WORDS...`), so that it
 * never gets behind the command table. The last word is the one being written.
 */
import type { Command } from './command.js';
import type { CommandTree, Leaf } from './command-tree.js';

/** Lists the names of one kind of objects; what cannot be asked gives none. */
export type NameSource = (kind: Command['completes']) => Promise<readonly string[]>;

export async function complete(tree: CommandTree, words: readonly string[], names: NameSource): Promise<string[]> {
  const current = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  const candidates = await candidatesFor(tree, before, current, names);
  return candidates.filter((c) => c.startsWith(current)).sort();
}

async function candidatesFor(
  tree: CommandTree,
  before: readonly string[],
  current: string,
  names: NameSource,
): Promise<readonly string[]> {
  const [first, second] = before;
  if (first === undefined)
    return [...Object.keys(tree.groups), ...Object.keys(tree.commands).filter((n) => !tree.commands[n]?.hidden)];
  const group = Object.hasOwn(tree.groups, first) ? tree.groups[first] : undefined;
  if (group && second === undefined) return Object.keys(group.verbs);
  const leaf: Leaf | undefined = group ? group.verbs[second ?? ''] : tree.commands[first];
  if (!leaf) return [];
  const { command } = await leaf.load();
  const previous = before.at(-1) ?? '';
  const pending = flagNamed(command, previous);
  if (pending && pending.alone === undefined) return pending.choices ?? [];
  if (current.startsWith('-')) return [...Object.keys(command.flags).map((n) => `--${n}`), '--help'];
  return command.completes === 'none' ? [] : await names(command.completes);
}

function flagNamed(command: Command, word: string) {
  if (word.startsWith('--')) return command.flags[word.slice(2)];
  if (!/^-\w$/.test(word)) return undefined;
  return Object.values(command.flags).find((f) => f.short === word.slice(1));
}

export const COMPLETION_SCRIPTS: Readonly<Record<string, string>> = {
  bash: `# swarmts completion for bash: source <(swarmts completion bash)
_swarmts() {
  local IFS=$'\\n'
  COMPREPLY=($(swarmts __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _swarmts swarmts
`,
  zsh: `#compdef swarmts
# swarmts completion for zsh: source <(swarmts completion zsh)
_swarmts() {
  local -a words_that_fit
  words_that_fit=("\${(@f)$(swarmts __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  compadd -a words_that_fit
}
compdef _swarmts swarmts
`,
  fish: `# swarmts completion for fish: swarmts completion fish | source
complete -c swarmts -f -a '(swarmts __complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
`,
};
