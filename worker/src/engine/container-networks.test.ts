/** What is written down, told and taken back when a container joins and leaves networks. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isSwarmtsError, silentLogger } from '@swarmts/lib';
import { builtinNetworks } from '@swarmts/proto';
import type { ContainerContext } from './container-context.js';
import { ContainerCore } from './container-core.js';
import type { ContainerNetwork } from './container-network.js';
import { ContainerNetworks } from './container-networks.js';
import { loadRecord } from './container-record.js';
import { containerConfig, containerRecord } from './engine-bed.js';
import { onBridge } from './joined-networks.js';

const ATTACHED = { address: '172.30.0.2', prefixLength: 16, gateway: '172.30.0.1', mac: '', ports: [] };
const BACK = { ...onBridge('c1', ATTACHED), id: 'n1', name: 'back', driver: 'bridge' };
const wishFor = (target: string) => ({ target, aliases: [], addresses: [] });

describe('the networks of a container', () => {
  let dir: string;
  let events: string[];
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-networks-'));
    events = [];
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  function setUp(of: Parameters<typeof containerRecord>[1], network: Partial<ContainerNetwork> = {}) {
    // Only what changes of networks ask for.
    const context = {
      dataRoot: dir,
      execRoot: dir,
      network,
      bundle: {},
      logger: silentLogger,
      emitUses: (all: readonly { readonly action: string; readonly attributes: { readonly name?: string } }[]) =>
        events.push(...all.map((e) => `${e.action} ${e.attributes.name}`)),
    } as unknown as ContainerContext;
    const core = new ContainerCore(containerRecord('c1', of), context);
    mkdirSync(core.paths.container, { recursive: true });
    return { core, networks: new ContainerNetworks(core), onDisk: () => loadRecord(core.paths.container) };
  }
  const targets = (
    c: { readonly config: { readonly networks?: readonly { readonly target: string }[] } } | undefined,
  ) => c?.config.networks?.map((n) => n.target);

  it('are wished for until a container is started, beside the node’s own', async () => {
    const { networks, onDisk } = setUp({ state: 'exited' });
    await networks.connect(wishFor('n1'));
    assert.deepEqual(targets(await onDisk()), ['bridge', 'n1']);
    await networks.connect({ ...wishFor(builtinNetworks.bridge.id), mac: '02:00:00:00:00:01' });
    assert.deepEqual(targets(await onDisk()), ['n1', 'bridge']);
    await networks.disconnect(builtinNetworks.bridge);
    await networks.disconnect(BACK);
    assert.deepEqual([targets(await onDisk()), events], [[], []]);
    await assert.rejects(networks.disconnect(BACK), (e) => isSwarmtsError(e, 'not-found'));
  });

  it('are joined and left at once by one that runs, which is told', async () => {
    const both = { ...ATTACHED, networks: [onBridge('c1', ATTACHED), BACK] };
    const { core, networks, onDisk } = setUp(
      { state: 'running', network: ATTACHED },
      {
        connect: async (_id, _at, _request, _wish, beside) => {
          await beside({ ...both, details: 'planned' });
          assert.equal((await onDisk())?.network?.details, 'planned');
          return both;
        },
        disconnect: async () => ({ ...ATTACHED, networks: [BACK] }),
      },
    );
    await networks.connect(wishFor('n1'));
    assert.deepEqual((await onDisk())?.network, both);
    await networks.disconnect(builtinNetworks.bridge);
    assert.deepEqual([targets(core.record), events], [['n1'], ['connect back', 'disconnect bridge']]);
  });

  it('are as before when a change fails half-way', async () => {
    const { core, networks, onDisk } = setUp(
      { state: 'running', network: ATTACHED },
      {
        connect: async (_id, at, _request, _wish, beside) => {
          await beside({ ...at, networks: [BACK] });
          throw new Error('no leg');
        },
      },
    );
    await assert.rejects(networks.connect(wishFor('n1')), /no leg/);
    const kept = await onDisk();
    assert.deepEqual([kept?.network, targets(kept), targets(core.record)], [ATTACHED, undefined, undefined]);
    assert.deepEqual(events, []);
  });

  it('are not those of a container that has none of its own', async () => {
    for (const [config, why] of [
      [{ networkMode: 'host' }, /sharing network namespace with another container or host/],
      [{ networkMode: 'local', networkContainer: 'c2' }, /sharing network namespace with another container or host/],
      [{ networkMode: 'none' }, /in private \(none\) mode/],
    ] as const) {
      const { networks } = setUp({ state: 'running', config: containerConfig('box', [], config) });
      await assert.rejects(
        networks.connect(wishFor('n1')),
        (e) => isSwarmtsError(e, 'invalid-argument') && why.test(e.message),
      );
      await assert.rejects(networks.disconnect(builtinNetworks.bridge), (e) => isSwarmtsError(e, 'not-found'));
    }
  });
});
