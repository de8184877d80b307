import assert from 'node:assert/strict';
import fc from 'fast-check';
import { RaftError } from '../errors.js';
import type { Message } from '../message.js';
import { type ConfChangeType, type ConfTransition, type Entry, NO_DATA } from '../types.js';
import {
  decodeConfChange,
  decodeConfChangeV2,
  decodeMembershipChange,
  encodeConfChange,
  encodeConfChangeV2,
  encodeMembershipChange,
} from './conf-change-codec.js';
import { decodeMessage, encodeMessage } from './message-codec.js';

const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const term = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const index = fc.maxSafeNat();
const bytes = fc.uint8Array({ maxLength: 40 });
const confData = fc
  .record({ type: fc.constantFrom<ConfChangeType>('add-voter', 'add-learner', 'remove'), id, context: bytes })
  .map(encodeConfChange);
const members = fc.uniqueArray(id, { maxLength: 6 }).map((ids) => ids.sort((a, b) => a - b));
const envelope = { from: id, to: id, term };

const confV2Data = fc
  .record({
    transition: fc.constantFrom<ConfTransition>('auto', 'implicit', 'explicit'),
    steps: fc.array(fc.record({ type: fc.constantFrom<ConfChangeType>('add-voter', 'remove', 'update'), id }), {
      maxLength: 4,
    }),
    context: bytes,
  })
  .map(encodeConfChangeV2);

const payload = fc.oneof(
  fc.record({ type: fc.constant('normal' as const), data: bytes }),
  fc.record({ type: fc.constant('conf' as const), data: confData }),
  fc.record({ type: fc.constant('conf-v2' as const), data: confV2Data }),
);
const append = fc
  .record({
    ...{ from: id, to: id, prevIndex: fc.nat(1000), commit: index, terms: fc.array(fc.nat(3), { maxLength: 5 }) },
    payloads: fc.array(payload, { minLength: 5, maxLength: 5 }),
  })
  .map(({ from, to, prevIndex, commit, terms, payloads }): Message => {
    const prevTerm = prevIndex === 0 ? 0 : 7;
    let last = Math.max(prevTerm, 1);
    const entries = terms.flatMap((step, at): Entry[] => {
      last += step;
      const part = payloads[at];
      return part === undefined ? [] : [{ ...part, index: prevIndex + at + 1, term: last }];
    });
    return { type: 'append', from, to, term: last, prevIndex, prevTerm, entries, commit };
  });
const proposal = fc
  .array(fc.uint8Array({ minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 4 })
  .map((all) => all.map((data): Entry => ({ index: 0, term: 0, type: 'normal', data })));
const snapshot = fc
  .record({ from: id, to: id, index: id, term, voters: members, data: bytes })
  .map(({ from, to, index: at, term: of, voters, data }): Message => {
    const metadata = { index: at, term: of, confState: { voters, learners: [] } };
    return { type: 'snap', from, to, term: of, snapshot: { metadata, data } };
  });

const jointSnapshot = fc
  .record({ index: id, voters: members, votersOutgoing: members, autoLeave: fc.boolean(), data: bytes })
  .filter(({ votersOutgoing }) => votersOutgoing.length > 0)
  .map(({ index: at, voters, votersOutgoing, autoLeave, data }): Message => {
    const learnersNext = votersOutgoing.filter((member) => !voters.includes(member));
    const confState = { voters, learners: [], votersOutgoing, learnersNext, autoLeave };
    return { type: 'snap', from: 1, to: 2, term: 3, snapshot: { metadata: { index: at, term: 2, confState }, data } };
  });

const messages: fc.Arbitrary<Message> = fc.oneof(
  append,
  snapshot,
  jointSnapshot,
  fc.record({
    ...{ type: fc.constant('append-response' as const), ...envelope, index, reject: fc.boolean() },
    ...{ hintIndex: index, hintTerm: index },
  }),
  fc.record({
    ...{ type: fc.constantFrom('vote' as const, 'pre-vote' as const), ...envelope },
    ...{ lastIndex: index, lastTerm: index, transfer: fc.boolean() },
  }),
  fc.record({
    type: fc.constantFrom('vote-response' as const, 'pre-vote-response' as const),
    ...envelope,
    reject: fc.boolean(),
  }),
  fc.record({ type: fc.constant('heartbeat' as const), ...envelope, commit: index, context: bytes }),
  fc.record({ type: fc.constant('heartbeat-response' as const), ...envelope, context: bytes }),
  fc.record({ type: fc.constant('propose' as const), ...envelope, term: fc.constant(0), entries: proposal }),
  fc.record({ type: fc.constant('read-index' as const), ...envelope, term: fc.constant(0), context: bytes }),
  fc.record({ type: fc.constant('read-index-response' as const), ...envelope, index, context: bytes }),
  fc.record({ type: fc.constant('transfer-leader' as const), ...envelope, transferee: id }),
  fc.record({ type: fc.constant('timeout-now' as const), ...envelope }),
);

/** Decodes, or says that it was refused; whatever else is thrown comes through. */
function tryDecode(input: Uint8Array): Message | 'refused' {
  try {
    return decodeMessage(input);
  } catch (error) {
    if (error instanceof RaftError && error.code === 'malformed') return 'refused';
    throw error;
  }
}

describe('messages as bytes', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(messages, (message) =>
        assert.deepEqual({ ...decodeMessage(encodeMessage(message)) }, { ...message }),
      ),
    );
  });

  it('cut short or with something behind them are refused', () => {
    fc.assert(
      fc.property(messages, (message) => {
        const encoded = encodeMessage(message);
        for (let length = 0; length < encoded.length; length += 1) {
          assert.equal(tryDecode(encoded.slice(0, length)), 'refused');
        }
        assert.equal(tryDecode(Buffer.concat([encoded, Buffer.from([0])])), 'refused');
      }),
      { numRuns: 50 },
    );
  });

  it('damaged are refused, or are another message that encodes to the same bytes', () => {
    fc.assert(
      fc.property(messages, fc.nat(), fc.integer({ min: 1, max: 255 }), (message, at, flip) => {
        const encoded = encodeMessage(message).slice();
        const position = at % encoded.length;
        encoded[position] = (encoded[position] ?? 0) ^ flip;
        const decoded = tryDecode(encoded);
        if (decoded !== 'refused') assert.deepEqual(encodeMessage(decoded), encoded);
      }),
      { numRuns: 1000 },
    );
  });

  it('of random bytes are refused with a typed error and nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (input) => {
        tryDecode(input);
        tryDecode(Buffer.concat([Buffer.from([1]), input]));
      }),
      { numRuns: 2000 },
    );
  });

  const normal = { index: 5, term: 3, type: 'normal', data: Buffer.from('x') } as const;
  const base = { type: 'append', from: 1, to: 2, term: 3, prevIndex: 4, prevTerm: 2, commit: 4 } as const;
  const nonsense: [string, Message][] = [
    ['entries that leave a gap', { ...base, entries: [{ ...normal, index: 6 }] }],
    ['entries whose terms go down', { ...base, entries: [{ ...normal, term: 1 }] }],
    ['entries of a term after the sender', { ...base, entries: [{ ...normal, term: 4 }] }],
    ['a membership change that is none', { ...base, entries: [{ ...normal, type: 'conf' }] }],
    ['a previous term without an index', { ...base, prevIndex: 0, entries: [] }],
    ['an empty proposal', { type: 'propose', from: 1, to: 2, term: 0, entries: [] }],
    ['a sender of no id', { type: 'timeout-now', from: 0, to: 2, term: 1 }],
  ];
  for (const [what, message] of nonsense) {
    it(`with ${what} are refused`, () => assert.equal(tryDecode(encodeMessage(message)), 'refused'));
  }
});

describe('messages as bytes of the first release', () => {
  const context = Uint8Array.from(Buffer.from('10.0.0.7:1'));
  const conf = encodeConfChange({ type: 'add-learner', id: 300, context });
  const entries: Entry[] = [
    { index: 5, term: 7, type: 'normal', data: Buffer.from('hello') },
    { index: 6, term: 7, type: 'conf', data: conf },
  ];
  const confState = { voters: [1, 2, 3], learners: [4] };
  const metadata = { index: 1000, term: 8, confState };
  const known: [message: Message, hex: string][] = [
    [
      { type: 'append', from: 1, to: 300, term: 7, prevIndex: 4, prevTerm: 6, commit: 4, entries },
      '010001ac0207040604020005070568656c6c6f0106070e01ac020a31302e302e302e373a31',
    ],
    [
      { type: 'snap', from: 2, to: 3, term: 9, snapshot: { metadata, data: Buffer.from('state') } },
      '0108020309e80708030102030104057374617465',
    ],
    [{ type: 'vote', from: 2, to: 3, term: 9, lastIndex: 10, lastTerm: 8, transfer: true }, '01020203090a0801'],
    [
      { type: 'append-response', from: 2, to: 3, term: 9, index: 10, reject: true, hintIndex: 7, hintTerm: 5 },
      '01010203090a010705',
    ],
  ];
  for (const [message, hex] of known) {
    it(`are what they were: ${message.type}`, () => {
      assert.equal(Buffer.from(encodeMessage(message)).toString('hex'), hex);
    });
  }
});

describe('membership changes as bytes', () => {
  it('of several steps come back as they were, and the end of a joint membership is no bytes at all', () => {
    const steps = [
      { type: 'add-voter', id: 4 },
      { type: 'remove', id: 1 },
    ] as const;
    const change = { transition: 'explicit', steps, context: Uint8Array.from([1]) } as const;
    assert.deepEqual(decodeConfChangeV2(encodeConfChangeV2(change)), change);
    const leave = { transition: 'auto', steps: [], context: NO_DATA } as const;
    assert.deepEqual(encodeMembershipChange(leave), { type: 'conf-v2', data: NO_DATA });
    assert.deepEqual(decodeMembershipChange({ type: 'conf-v2', data: NO_DATA }), leave);
  });

  it('of one step mean the same in both forms', () => {
    const change = { type: 'remove', id: 7, context: Uint8Array.from([9]) } as const;
    const wide = decodeMembershipChange(encodeMembershipChange(change));
    assert.deepEqual(wide, { transition: 'auto', steps: [{ type: 'remove', id: 7 }], context: change.context });
  });

  it('come back as they were', () => {
    const context = Uint8Array.from(Buffer.from('10.0.0.1:2377'));
    const change = { type: 'add-learner', id: 2 ** 47 + 1, context } as const;
    assert.deepEqual(decodeConfChange(encodeConfChange(change)), change);
    assert.throws(() => encodeConfChange({ ...change, id: 0 }), { code: 'invalid' });
  });
});
