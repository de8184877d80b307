import assert from 'node:assert/strict';
import { macOf } from './mac-address.js';

describe('the MAC of a container', () => {
  it('is made of its address', () => assert.equal(macOf('172.30.0.2'), '02:42:ac:1e:00:02'));
});
