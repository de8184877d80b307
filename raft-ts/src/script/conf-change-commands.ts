// The commands of membership scripts: `simple`, `enter-joint` and `leave-joint` change a membership, and print it with
// what a leader would know about its members.
import { changeSimply, enterJoint, leaveJoint, type Membership, memberIdsOf, NO_MEMBERS } from '../core/membership.js';
import { Progress } from '../core/progress.js';
import { asBoolean, fail, valuesOf } from './arguments.js';
import { type Directive, ScriptError } from './data-driven.js';
import { describeMembership, describeProgressOf } from './notation.js';
import { parseSteps } from './steps.js';

export const CONF_CHANGE_COMMANDS: ReadonlySet<string> = new Set(['simple', 'enter-joint', 'leave-joint']);

const LIMITS = { count: 10, bytes: Number.POSITIVE_INFINITY };

function change(membership: Membership, directive: Directive): Membership | string {
  const steps = parseSteps(directive.input);
  if (typeof steps === 'string') return steps;
  switch (directive.command) {
    case 'simple':
      return changeSimply(membership, steps);
    case 'enter-joint': {
      const [autoLeave] = valuesOf(directive, 'autoleave');
      if (directive.args.length > 0 && autoLeave === undefined) fail(directive, 'autoleave=true or false is expected');
      return enterJoint(membership, steps, autoLeave !== undefined && asBoolean(directive, autoLeave, 'autoleave'));
    }
    case 'leave-joint':
      return steps.length > 0 ? 'this command takes no input' : leaveJoint(membership);
    default:
      throw new ScriptError(directive.place, `unknown command "${directive.command}"`);
  }
}

/** Each command counts as one more entry of the log, which is where new members are fed from. */
export function confChangeRunner(): (directive: Directive) => string {
  let membership = NO_MEMBERS;
  let members = new Map<number, Progress>();
  let lastIndex = 0;
  return (directive) => {
    const next = Math.max(lastIndex, 1);
    lastIndex += 1;
    const changed = change(membership, directive);
    if (typeof changed === 'string') return `${changed}\n`;
    const before = members;
    membership = changed;
    members = new Map();
    for (const id of memberIdsOf(changed)) {
      const progress = (changed.joined.has(id) ? undefined : before.get(id)) ?? new Progress(next, LIMITS);
      progress.recentActive = true;
      progress.isLearner = changed.learners.has(id);
      members.set(id, progress);
    }
    const states = new Map([...members].map(([id, progress]) => [id, progress.status()]));
    return `${describeMembership(changed)}\n${describeProgressOf(states)}`;
  };
}
