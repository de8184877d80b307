/** Which events filters let through. */
import assert from 'node:assert/strict';
import { type Event, matchesFilters } from './event.js';

describe('the filters of events', () => {
  const of = (type: string, id: string, attributes: Record<string, string>): Event => ({
    scope: 'local',
    type,
    action: 'start',
    id,
    attributes,
    timeNs: 1n,
  });
  const container = of('container', 'abc1', { name: 'web', image: 'registry:5000/box:1' });
  const image = of('image', 'sha256:1', { name: 'box:1' });
  const fits = (e: Event, filter: string, value: string) => matchesFilters(e, new Map([[filter, [value]]]));

  it('know subjects by the beginning of an id or a name', () => {
    for (const ref of ['abc', 'web', 'we']) assert.ok(fits(container, 'container', ref), ref);
    assert.ok(!fits(container, 'container', 'eb'));
    assert.ok(!fits(image, 'container', 'box'));
  });

  it('take what happens to containers as of their image, with and without its tag', () => {
    for (const ref of ['registry:5000/box', 'registry:5000/box:1']) assert.ok(fits(container, 'image', ref), ref);
    for (const ref of ['box', 'box:1', 'sha256:1']) assert.ok(fits(image, 'image', ref), ref);
    for (const ref of ['registry:5000/box:2', 'registry', 'abc1']) assert.ok(!fits(container, 'image', ref), ref);
    assert.ok(!fits(of('volume', 'box', {}), 'image', 'box'));
  });
});
