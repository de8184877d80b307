import assert from 'node:assert/strict';
import { macOf } from './mac-address.js';

describe('the MAC of a container', () => {
  it('is made of its address', () => assert.equal(macOf('172.30.0.2'), '02:42:ac:1e:00:02'));
  it('is made of the end of an address of IPv6', () => assert.equal(macOf('fd00::1:a'), '02:42:00:01:00:0a'));
});
