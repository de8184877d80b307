/** Which network has the default route of a container on several. */
import assert from 'node:assert/strict';
import { Driver, Network, NetworkSpec } from '@swarmts/proto';
import { leavesDefault, needsWayOut, refuseMove } from './default-gateway.js';

const macvlan = Network.create({
  id: 'm',
  driverState: Driver.create({ name: 'macvlan', options: { parent: 'eth0' } }),
});
const bridge = Network.create({ id: 'b', driverState: Driver.create({ name: 'bridge', options: {} }) });
const inside = Network.create({ id: 'i', spec: NetworkSpec.create({ internal: true }) });
const wish = (gatewayPriority?: number) => ({
  target: 'x',
  aliases: [],
  addresses: [],
  ...(gatewayPriority === undefined ? {} : { gatewayPriority }),
});

describe('the default route', () => {
  it('is that of the node’s own devices, unless another network goes before it', () => {
    assert.equal(leavesDefault(macvlan, wish(), [wish(), wish()]), false);
    assert.equal(leavesDefault(macvlan, wish(), [wish(), wish(1)]), true);
    assert.equal(leavesDefault(macvlan, wish(-1), [wish(-1), wish()]), true);
    assert.equal(leavesDefault(macvlan, wish(2), [wish(2), wish(1)]), false);
    assert.equal(leavesDefault(bridge, wish(), [wish(1)]), false, 'others have none of their own');
  });

  it('leads the way out where nothing else has it', () => {
    const at = (network: Network, leaves = false) => ({ network, leavesDefault: leaves });
    assert.equal(needsWayOut([at(bridge)]), true);
    assert.equal(needsWayOut([at(bridge), at(macvlan)]), false);
    assert.equal(needsWayOut([at(bridge), at(macvlan, true)]), true);
    assert.deepEqual([needsWayOut([at(inside)]), needsWayOut([])], [false, false]);
  });

  it('stays where it is while the container runs', () => {
    const places = [{ network: macvlan, leavesDefault: false }];
    assert.throws(() => refuseMove(bridge, wish(1), [wish()], places), /to network x: stop it, connect it, and start/);
    refuseMove(bridge, wish(), [wish()], places);
    refuseMove(macvlan, wish(1), [wish()], places);
    refuseMove(bridge, wish(1), [wish()], [{ network: macvlan, leavesDefault: true }]);
  });
});
