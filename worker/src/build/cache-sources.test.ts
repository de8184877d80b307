import assert from 'node:assert/strict';
import { type CacheSource, stepFromSources } from './cache-sources.js';

describe('steps from images that are named as caches', () => {
  const image = (id: string, ...steps: readonly (readonly [createdBy: string, diffId?: string])[]): CacheSource => ({
    id,
    history: steps.map(([createdBy, diffId]) => ({ createdAtMs: 0, createdBy, comment: '', emptyLayer: !diffId })),
    diffIds: steps.flatMap(([, diffId]) => diffId ?? []),
  });
  const base = image('base', ['FROM', 'd1']);

  it('are taken where the history goes on in the same way', () => {
    const source = image('s', ['FROM', 'd1'], ['ENV a'], ['RUN b', 'd2']);
    const env = stepFromSources([image('other', ['x', 'd9']), source], base, 'ENV a');
    assert.deepEqual([env?.source.id, env?.layer, env?.isLast], ['s', undefined, false]);
    const afterEnv = image('', ['FROM', 'd1'], ['ENV a']);
    assert.deepEqual(stepFromSources([source], afterEnv, 'RUN b'), {
      source,
      layer: { diffId: 'd2', index: 1 },
      isLast: true,
    });
    assert.equal(stepFromSources([image('s', ['COPY', 'd1'])], undefined, 'COPY')?.isLast, true);
  });

  it('are not, where history or layers differ, or end', () => {
    const step = (source: CacheSource) => stepFromSources([source], base, 'RUN b');
    assert.equal(step(image('other command', ['FROM', 'd1'], ['RUN c', 'd2'])), undefined);
    assert.equal(step(image('other base', ['FROM', 'd0'], ['RUN b', 'd2'])), undefined);
    assert.equal(step(image('other history', ['FROM x', 'd1'], ['RUN b', 'd2'])), undefined);
    assert.equal(step(image('ends', ['FROM', 'd1'])), undefined);
    const damaged = { ...image('no layer', ['FROM', 'd1'], ['RUN b', 'd2']), diffIds: ['d1'] };
    assert.equal(step(damaged), undefined);
  });
});
