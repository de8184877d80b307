// What goes wrong in a simulation while faults last, chosen at random: power, pauses, the network in all shapes, disks,
// and elections and transfers that nobody needs.
import type { ModelMember } from './model-member.js';
import type { Operator } from './operator.js';
import type { World } from './world.js';

type Fault = (world: World, operator: Operator) => void;

function someMember(world: World): ModelMember | undefined {
  return world.random.pick(world.members.filter(({ condition }) => condition === 'up'));
}

function restartLater(world: World, member: ModelMember): void {
  const { queue, random } = world;
  queue.after(random.chance(0.5) ? 20 + 100 * random.next() : 2500 * random.next(), () => member.start());
}

function crash(world: World, member: ModelMember | undefined): void {
  if (member === undefined) return;
  world.counts.crashes += 1;
  member.crash();
  restartLater(world, member);
}

const crashOne: Fault = (world) => crash(world, someMember(world));

const crashLeader: Fault = (world, operator) => crash(world, operator.leader());

const crashAll: Fault = (world) => {
  for (const member of world.members) if (member.condition === 'up') crash(world, member);
};

const pause: Fault = (world, operator) => {
  world.counts.pauses += 1;
  const { random } = world;
  const member = random.chance(0.5) ? operator.leader() : someMember(world);
  member?.pause(random.chance(0.3) ? 300 * random.next() : 2500 * random.next());
};

/** Two sides, one way or both, or a ring, or two sides that only one member sees, or one alone. */
const partition: Fault = (world, operator) => {
  const { random, network, members, counts } = world;
  counts.partitions += 1;
  const ids = members.map(({ id }) => id);
  const sides = new Map(ids.map((id) => [id, random.chance(0.5)]));
  const isAcross = (a: number, b: number): boolean => sides.get(a) !== sides.get(b);
  const alone = random.chance(0.5) ? operator.leader()?.id : random.pick(ids);
  const bridge = random.pick(ids);
  const place = new Map(ids.map((id, at) => [id, at]));
  const distance = (a: number, b: number): number => {
    const gap = Math.abs((place.get(a) ?? 0) - (place.get(b) ?? 0));
    return Math.min(gap, ids.length - gap);
  };
  const shapes: ((from: number, to: number) => boolean)[] = [
    isAcross,
    (from, to) => isAcross(from, to) && sides.get(from) === true,
    (from, to) => from === alone || to === alone,
    (from) => from === alone,
    (_, to) => to === alone,
    (from, to) => distance(from, to) > 1,
    (from, to) => isAcross(from, to) && from !== bridge && to !== bridge,
  ];
  const shape = random.pick(shapes);
  if (shape !== undefined) network.reshape(ids, shape);
};

const mend: Fault = ({ network }) => network.heal();

const badWeather: Fault = ({ random, network }) => {
  network.lossRate = random.chance(0.5) ? 0.3 * random.next() : 0;
  network.doubleRate = random.chance(0.5) ? 0.2 * random.next() : 0;
  network.lateRate = random.chance(0.5) ? 0.2 * random.next() : 0;
};

const campaign: Fault = (world) => someMember(world)?.campaign();

const forgetLeader: Fault = (world) => someMember(world)?.forgetLeader();

const transfer: Fault = (world, operator) => {
  const target = someMember(world);
  if (target === undefined) return;
  world.counts.transfers += 1;
  operator.leader()?.transferTo(target.id);
};

/** Leaders that come and go faster than they can finish anything, on a bad network: figure 8 of the paper lives here. */
const electionStorm: Fault = (world, operator) => {
  const { random, queue, network, members } = world;
  network.lossRate = 0.4 * random.next();
  for (let delayMs = 0, left = 4 + random.below(20); left > 0; left -= 1) {
    delayMs += 5 + 60 * random.next();
    queue.after(delayMs, () => {
      for (const member of members) member.forgetLeader();
      someMember(world)?.campaign();
      if (random.chance(0.2)) crash(world, operator.leader());
    });
  }
};

/** Looks every half millisecond; `then` once `isSo`, or nothing if that takes too long. */
function when({ queue }: World, withinMs: number, isSo: () => boolean, then: () => void): void {
  const deadlineMs = queue.nowMs + withinMs;
  const look = (): void => {
    if (isSo()) then();
    else if (queue.nowMs < deadlineMs) queue.after(0.5, look);
  };
  look();
}

/** Makes `member` lead, if it can: everybody else forgets the leader, some times over. */
function makeLead(world: World, member: ModelMember, then: () => void): void {
  for (let attempt = 0; attempt < 4; attempt += 1) {
    world.queue.after(25 * attempt, () => {
      if (member.isLeader) return;
      for (const other of world.members) other.forgetLeader();
      member.campaign();
    });
  }
  when(world, 100, () => member.isLeader, then);
}

/** Nobody hears `member` any more, and soon its power fails. It is back after `downMs`. */
function silenceAndCrash(world: World, member: ModelMember, downMs: number, then: () => void): void {
  const { network, queue, members, counts } = world;
  for (const { id } of members) if (id !== member.id) network.cut(member.id, id);
  queue.after(8, () => {
    counts.crashes += 1;
    member.crash();
    queue.after(downMs, () => {
      network.reshape([], () => false);
      member.start();
    });
    then();
  });
}

/**
 * Figure 8 of the paper, on purpose: two leaders take turns, and each dies before its first entry has spread; but the
 * first one, when its turn comes again, dies as soon as it has committed anything.
 */
const dyingLeaders: Fault = (world, operator) => {
  const { random, queue, network, members } = world;
  const leader = operator.leader();
  const isFree = (member: ModelMember): boolean => member !== leader && member.condition === 'up';
  const first = random.pick(members.filter(isFree));
  const second = random.pick(members.filter((member) => isFree(member) && member !== first));
  if (first === undefined || second === undefined) return;
  const die = (member: ModelMember, downMs: number, then: () => void): void =>
    silenceAndCrash(world, member, downMs, () => queue.after(45, then));
  const lastTurn = (): void => {
    second.start();
    makeLead(world, second, () => undefined);
  };
  const thirdTurn = (): void => {
    const before = first.core?.commit ?? 0;
    const hasCommitted = (): boolean => (first.core?.commit ?? 0) > before;
    when(world, 60, hasCommitted, () => die(first, 40, lastTurn));
  };
  network.heal();
  makeLead(world, first, () =>
    die(first, 40, () =>
      makeLead(world, second, () =>
        // The second one is back only for its last turn.
        die(second, 400, () => makeLead(world, first, thirdTurn)),
      ),
    ),
  );
};

/** A candidate whose disk has not written its term when it dies asks for the same votes once more. */
const forgetfulCandidate: Fault = (world, operator) => {
  const { random, queue, network, members } = world;
  const candidate = random.pick(members.filter((member) => member !== operator.leader() && member.condition === 'up'));
  if (candidate === undefined) return;
  network.heal();
  candidate.disk.fullUntilMs = queue.nowMs + 60;
  makeLead(world, candidate, () => {
    silenceAndCrash(world, candidate, 5, () => {
      candidate.disk.fullUntilMs = 0;
      queue.after(10, () => makeLead(world, candidate, () => undefined));
    });
  });
};

/** The leader is cut off and does not know yet, while somebody else is elected: clients talk to both. */
const twoLeaders: Fault = (world, operator) => {
  const { random, network, members, counts } = world;
  const leader = operator.leader();
  const next = random.pick(members.filter((member) => member !== leader && member.condition === 'up'));
  if (leader === undefined || next === undefined) return;
  counts.partitions += 1;
  network.heal();
  const ids = members.map(({ id }) => id);
  network.reshape(ids, (from, to) => from === leader.id || to === leader.id);
  makeLead(world, next, () => undefined);
};

const DISK_FAULTS: readonly Fault[] = [
  (world) => {
    const member = someMember(world);
    if (member === undefined) return;
    // Full, and emptied after a while.
    world.counts.diskFaults += 1;
    member.disk.fullUntilMs = world.queue.nowMs + 1500 * world.random.next();
  },
  (world) => {
    const member = someMember(world);
    if (member === undefined) return;
    // The next write fails, which ends the process.
    world.counts.diskFaults += 1;
    member.disk.failsNext = true;
    world.queue.after(300, () => restartLater(world, member));
  },
  (world) => {
    const disk = someMember(world)?.disk;
    if (disk === undefined) return;
    world.counts.diskFaults += 1;
    disk.slowness = 100 * world.random.next();
    world.queue.after(1000, () => {
      disk.slowness = 1;
    });
  },
  (world, operator) => {
    // A bit flips where it was written long ago: the member refuses to start, and is replaced. Once in a run, and not
    // while members are removed at random: the group would be lost if the damage and a removal came together.
    const status = operator.leader()?.core?.status();
    const isDamaged = world.members.some(({ condition }) => condition === 'broken');
    if (status === undefined || status.voters.length < 3 || isDamaged || world.settings.changeMembers) return;
    const victim = world.random.pick(status.voters);
    if (victim === undefined || victim === status.id) return;
    world.counts.diskFaults += 1;
    world.members[victim - 1]?.crash('broken');
  },
];

const FAULTS: readonly (readonly [weight: number, fault: Fault])[] = [
  [5, crashOne],
  [3, crashLeader],
  [1, crashAll],
  [4, pause],
  [7, partition],
  [7, mend],
  [4, badWeather],
  [2, campaign],
  [1, forgetLeader],
  [3, transfer],
  [4, electionStorm],
  [6, dyingLeaders],
  [2, forgetfulCandidate],
  [3, twoLeaders],
];

const TOTAL_WEIGHT = FAULTS.reduce((sum, [weight]) => sum + weight, 0);

export function oneFault(world: World, operator: Operator): void {
  const { random, settings } = world;
  if (settings.diskFaults && random.chance(0.15)) {
    random.pick(DISK_FAULTS)?.(world, operator);
    return;
  }
  let dice = random.next() * TOTAL_WEIGHT;
  for (const [weight, fault] of FAULTS) {
    dice -= weight;
    if (dice >= 0) continue;
    fault(world, operator);
    return;
  }
}
