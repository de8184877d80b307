// Who runs the group: replaces members whose disks were damaged, ends joint memberships, and changes the members at
// random for as long as faults last. New members always have new ids.
import {
  type ConfChangeStep,
  type ConfTransition,
  type MembershipChange,
  NO_DATA,
  type RaftStatus,
} from '../../types.js';
import { ModelMember } from './model-member.js';
import type { World } from './world.js';

/** No more members than this in all; links are told apart by ids below 1,000. */
const MAX_MEMBERS = 24;
const ROUND_MS = 150;

export class Operator {
  readonly #world: World;
  changesAtRandom = true;
  /** The highest commit index that any member has shown: a leader that is behind it has been replaced, and its members with it. */
  #highestCommit = 0;
  /** By member: when it was first seen not to belong to the group. */
  readonly #outsideSince = new Map<number, number>();

  constructor(world: World) {
    this.#world = world;
  }

  start(): void {
    this.#world.queue.after(ROUND_MS, () => {
      this.#round();
      this.start();
    });
  }

  /** The leader of the highest term. */
  leader(): ModelMember | undefined {
    let best: ModelMember | undefined;
    for (const member of this.#world.members) {
      if (member.isLeader && (member.core?.term ?? 0) > (best?.core?.term ?? -1)) best = member;
    }
    return best;
  }

  #round(): void {
    const { random, settings } = this.#world;
    const leader = this.leader();
    const status = leader?.core?.status();
    for (const { core } of this.#world.members)
      this.#highestCommit = Math.max(this.#highestCommit, core?.status().commit ?? 0);
    if (leader === undefined || status === undefined || status.commit < this.#highestCommit) return;
    if (!this.changesAtRandom) this.#stopOutsiders(leader, status);
    if (status.votersOutgoing !== undefined) {
      if (!status.autoLeave) leader.changeMembers({ transition: 'auto', steps: [], context: NO_DATA });
      return;
    }
    const repair = this.#repairStep(status);
    if (repair !== undefined) leader.changeMembers(this.#asChange([repair]));
    else if (this.changesAtRandom && settings.changeMembers && random.chance(0.15))
      this.#changeAtRandom(leader, status);
  }

  /** Removes a damaged member, and brings in somebody in its place. */
  #repairStep({ voters, learners, progress }: RaftStatus): ConfChangeStep | undefined {
    const { members, settings, counts } = this.#world;
    const broken = members.find(({ id, condition }) => condition === 'broken' && [...voters, ...learners].includes(id));
    if (broken !== undefined && (voters.length > 1 || learners.includes(broken.id))) {
      counts.replacements += 1;
      return { type: 'remove', id: broken.id };
    }
    if (voters.length + learners.length < Math.min(3, settings.members)) return this.#newcomer();
    const ready = learners.find(
      (id) => (progress?.get(id)?.match ?? 0) > 0 && progress?.get(id)?.state === 'replicate',
    );
    return voters.length < 3 && ready !== undefined ? { type: 'add-voter', id: ready } : undefined;
  }

  #newcomer(): ConfChangeStep | undefined {
    const { members } = this.#world;
    const id = members.length + 1;
    if (id > MAX_MEMBERS) return undefined;
    const member = new ModelMember(id, this.#world, undefined);
    members.push(member);
    member.start();
    return { type: 'add-learner', id };
  }

  #asChange(steps: readonly ConfChangeStep[]): MembershipChange {
    const { random, settings } = this.#world;
    const [only] = steps;
    if (only !== undefined && steps.length === 1 && random.chance(0.5)) return { ...only, context: NO_DATA };
    const transitions: readonly ConfTransition[] = settings.jointChanges ? ['auto', 'implicit', 'explicit'] : ['auto'];
    return { transition: random.pick(transitions) ?? 'auto', steps, context: NO_DATA };
  }

  #changeAtRandom(leader: ModelMember, status: RaftStatus): void {
    const { random, settings } = this.#world;
    const steps: ConfChangeStep[] = [];
    let { length: left } = status.voters;
    const count = settings.jointChanges ? 1 + random.below(3) : 1;
    for (let step = 0; step < count; step += 1) {
      const voter = random.pick(status.voters) ?? leader.id;
      const learner = random.pick(status.learners);
      const isTouched = (id: number): boolean => steps.some((each) => each.id === id);
      if (random.chance(0.4) && left > 2 && !isTouched(voter)) {
        steps.push({ type: random.chance(0.7) ? 'remove' : 'add-learner', id: voter });
        left -= 1;
      } else if (learner !== undefined && !isTouched(learner)) {
        steps.push({ type: random.chance(0.8) ? 'add-voter' : 'remove', id: learner });
      } else if (status.voters.length + status.learners.length < 7) {
        const newcomer = this.#newcomer();
        if (newcomer !== undefined && !isTouched(newcomer.id)) steps.push(newcomer);
      }
    }
    if (steps.length > 0) leader.changeMembers(this.#asChange(steps));
  }

  /** Switches off who was removed a while ago. Newcomers are left the time to be let in. */
  #stopOutsiders(leader: ModelMember, { voters, learners, votersOutgoing = [] }: RaftStatus): void {
    const { members, queue } = this.#world;
    for (const member of members) {
      const isInside = member === leader || [...voters, ...learners, ...votersOutgoing].includes(member.id);
      if (isInside || member.condition !== 'up') {
        this.#outsideSince.delete(member.id);
        continue;
      }
      const since = this.#outsideSince.get(member.id) ?? queue.nowMs;
      this.#outsideSince.set(member.id, since);
      if (queue.nowMs - since > 1000) member.crash('broken');
    }
  }
}
