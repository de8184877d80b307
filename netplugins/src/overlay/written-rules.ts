/**
 * The rules that were written into namespaces, and how they get from there to what they should be: by what has changed, where that is
 * enough and they are as they were left, else as a whole.
 */
import type { RouterExecutor } from './router-spec.js';
import { changeBetween, documentOf, type RuleSet } from './rule-set.js';

interface Written {
  readonly rules: RuleSet;
  /** The namespace's rules as they were left. */
  readonly token: string;
}

export class WrittenRules {
  readonly #executor: Pick<RouterExecutor, 'changeRules' | 'writeRules'>;
  /** By namespace file. */
  readonly #written = new Map<string, Written>();

  constructor(executor: Pick<RouterExecutor, 'changeRules' | 'writeRules'>) {
    this.#executor = executor;
  }

  /** What was written last; undefined when nothing was. */
  of(netns: string): RuleSet | undefined {
    return this.#written.get(netns)?.rules;
  }

  /** Whether the same ones were written last. It is not looked whether they are still there. */
  are(netns: string, rules: RuleSet): boolean {
    const known = this.of(netns);
    return known !== undefined && changeBetween(known, rules) === '';
  }

  async bring(netns: string, rules: RuleSet): Promise<void> {
    const token = (await this.#change(netns, rules)) || (await this.#write(netns, rules));
    this.#written.set(netns, { rules, token });
  }

  /** The namespace is gone, or its rules are. */
  forget(netns: string): void {
    this.#written.delete(netns);
  }

  /** '' where it takes the whole. */
  async #change(netns: string, rules: RuleSet): Promise<string> {
    const known = this.#written.get(netns);
    const document = known && changeBetween(known.rules, rules);
    return known && document !== undefined ? this.#executor.changeRules({ netns, document }, known.token) : '';
  }

  #write(netns: string, rules: RuleSet): Promise<string> {
    return this.#executor.writeRules({ netns, document: documentOf(rules) });
  }
}
