import assert from 'node:assert/strict';
import fc from 'fast-check';
import { linearizabilityProblem, type Operation } from './linearizability.js';

/** By trying every order that time allows. */
function isLinearizableByForce(history: readonly Operation[], current = 0): boolean {
  const returnOf = ({ returnMs }: Operation): number => returnMs ?? Number.POSITIVE_INFINITY;
  if (history.every(({ returnMs }) => returnMs === undefined)) return true;
  return history.some((operation, at) => {
    if (history.some((other) => returnOf(other) < operation.callMs)) return false;
    if (operation.kind === 'read' && operation.value !== current) return false;
    const rest = history.filter((_, index) => index !== at);
    return isLinearizableByForce(rest, operation.kind === 'write' ? operation.value : current);
  });
}

const write = (value: number, callMs: number, returnMs?: number): Operation => ({
  kind: 'write',
  value,
  callMs,
  returnMs,
});
const read = (value: number, callMs: number, returnMs: number): Operation => ({
  kind: 'read',
  value,
  callMs,
  returnMs,
});

describe('the check for linearizability', () => {
  const histories: [what: string, history: Operation[], isFine: boolean][] = [
    ['nothing', [], true],
    ['a read of what was written before', [write(1, 0, 1), read(1, 2, 3)], true],
    ['a read of what was there before the write', [write(1, 0, 1), read(0, 2, 3)], false],
    ['a read beside the write, of the old value', [write(1, 0, 5), read(0, 1, 2)], true],
    ['the new value and then the old one', [write(1, 0, 9), read(1, 1, 2), read(0, 3, 4)], false],
    ['a write of unknown fate that shows up late', [write(1, 0), read(0, 2, 3), read(1, 4, 5)], true],
    ['a write of unknown fate that comes and goes', [write(1, 0), read(1, 2, 3), read(0, 4, 5)], false],
    ['a value that nobody wrote', [read(7, 0, 1)], false],
    ['a value before it was written', [read(1, 0, 1), write(1, 2, 3)], false],
    ['a write that vanishes', [write(1, 0, 1), write(2, 2, 3), read(1, 4, 5)], false],
    ['two writes seen in two orders', [write(1, 0, 9), write(2, 0, 9), read(1, 10, 11), read(2, 12, 13)], false],
  ];
  for (const [what, history, isFine] of histories) {
    it(`${isFine ? 'accepts' : 'refuses'} ${what}`, () => {
      assert.equal(linearizabilityProblem(history) === undefined, isFine);
      assert.equal(isLinearizableByForce(history), isFine);
    });
  }

  it('says the same as trying every order', () => {
    const time = fc.integer({ min: 0, max: 12 });
    const span = fc.integer({ min: 1, max: 6 });
    const writes = fc.array(fc.tuple(time, span, fc.boolean()), { maxLength: 4 });
    const reads = fc.array(fc.tuple(fc.nat(4), time, span), { maxLength: 4 });
    fc.assert(
      fc.property(writes, reads, (w, r) => {
        const history = [
          ...w.map(([call, length, isKnown], at) => write(at + 1, call, isKnown ? call + length + 0.5 : undefined)),
          ...r.map(([value, call, length]) => read(value, call + 0.25, call + length + 0.75)),
        ];
        assert.equal(
          linearizabilityProblem(history) === undefined,
          isLinearizableByForce(history),
          JSON.stringify(history),
        );
      }),
      { numRuns: 3000 },
    );
  });
});
