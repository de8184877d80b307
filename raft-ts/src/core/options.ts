// What a core needs to know, and its defaults. The core's defaults are the safe choice; the driver sets the limits.
import { invariant } from '../errors.js';
import type { Storage } from '../storage/storage.js';
import { RAFT_RULES, type Rules } from './rules.js';
import type { Trace } from './trace.js';

export interface RaftOptions {
  readonly id: number;
  readonly storage: Storage;
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Bytes of the entries in one append message (at least one entry goes). */
  readonly maxAppendBytes: number;
  /** Unanswered appends to one member. */
  readonly maxInflight: number;
  /** Payload bytes in unanswered appends to one member; the append that goes beyond is still sent. Default: no limit. */
  readonly maxInflightBytes?: number;
  /** Proposals are refused while so many payload bytes are not applied. */
  readonly maxUncommittedBytes: number;
  /** Bytes of the committed entries that are with the state machine at once (at least one entry). */
  readonly maxApplyBytes: number;
  /** The state machine holds everything up to here already. Default: what the newest snapshot holds. */
  readonly applied?: number;
  /** Ask whether an election could be won before it raises everybody's term. Default true. */
  readonly preVote?: boolean;
  /** A leader that a majority does not answer steps down, and a leader that is heard is protected. Default true. */
  readonly checkQuorum?: boolean;
  /**
   * `safe`: a majority confirms the leader for each read. `lease`: the leader answers by itself, and is right only as
   * long as no clock runs faster than another one by more than the election timeout allows. Default `safe`.
   */
  readonly reads?: 'safe' | 'lease';
  /** A follower refuses proposals instead of passing them on. Default false. */
  readonly disableProposalForwarding?: boolean;
  /** Accept membership changes that look wrong when they are proposed. Only for who orders them by other means. */
  readonly disableConfChangeValidation?: boolean;
  /** A leader that a change removes or demotes steps down once that is applied. Default true. */
  readonly stepDownOnRemoval?: boolean;
  /** Writes and applied entries are messages with answers of their own, instead of `ready` and `advance`. */
  readonly asyncStorageWrites?: boolean;
  /** Broken rules, for a simulator that shall notice. */
  readonly rules?: Partial<Rules>;
  readonly trace?: Trace;
}

/** The options with nothing left open. */
export interface RaftSettings extends Required<Omit<RaftOptions, 'applied' | 'rules' | 'trace' | 'storage'>> {
  readonly rules: Rules;
}

export function settingsOf(options: RaftOptions): RaftSettings {
  const settings: RaftSettings = {
    id: options.id,
    electionTicks: options.electionTicks,
    heartbeatTicks: options.heartbeatTicks,
    random: options.random,
    maxAppendBytes: options.maxAppendBytes,
    maxInflight: options.maxInflight,
    maxInflightBytes: options.maxInflightBytes ?? Number.POSITIVE_INFINITY,
    maxUncommittedBytes: options.maxUncommittedBytes,
    maxApplyBytes: options.maxApplyBytes,
    preVote: options.preVote ?? true,
    checkQuorum: options.checkQuorum ?? true,
    reads: options.reads ?? 'safe',
    disableProposalForwarding: options.disableProposalForwarding ?? false,
    disableConfChangeValidation: options.disableConfChangeValidation ?? false,
    stepDownOnRemoval: options.stepDownOnRemoval ?? true,
    asyncStorageWrites: options.asyncStorageWrites ?? false,
    rules: { ...RAFT_RULES, ...options.rules },
  };
  invariant(Number.isSafeInteger(settings.id) && settings.id > 0, `${settings.id} is not a member id`);
  invariant(settings.heartbeatTicks > 0, 'a heartbeat must take at least one tick');
  invariant(settings.electionTicks > settings.heartbeatTicks, 'an election must take longer than a heartbeat');
  invariant(settings.maxInflight > 0, 'at least one append must be allowed to be unanswered');
  invariant(settings.checkQuorum || settings.reads === 'safe', 'reads by lease need checkQuorum');
  return settings;
}
