import assert from 'node:assert/strict';
import { isSwarmtsError, SimulatedClock } from '@swarmts/lib';
import { mountFlags } from 'vxlan-tools';
import type { HelperApi } from '../helper/helper-api.js';
import { mountSpec, mountVolume, withAddresses } from './volume-mount.js';

describe('the mount of a volume', () => {
  const flagsOf = (o: string) => mountSpec({ type: 'none', device: '/x', o }, '/t').flags;

  it('is made of type, device and options', () => {
    assert.deepEqual(mountSpec({ type: 'nfs', device: ':/x', o: 'addr=192.0.2.1,ro,nolock' }, '/t'), {
      source: ':/x',
      target: '/t',
      fstype: 'nfs',
      flags: ['ro'],
      data: 'addr=192.0.2.1,nolock',
    });
    assert.deepEqual(mountSpec({ type: 'tmpfs', device: 'tmpfs' }, '/t'), {
      ...{ source: 'tmpfs', target: '/t', fstype: 'tmpfs', flags: [] },
    });
  });

  it('takes what mount(8) takes for flags, and hands nothing of it to the file system', () => {
    for (const flag of [
      'noatime',
      'nodiratime',
      'relatime',
      'strictatime',
      'sync',
      'dirsync',
      'nosuid',
      'nodev',
      'noexec',
    ])
      assert.deepEqual([flagsOf(flag), mountFlags[flag] === undefined], [[flag], false], flag);
    for (const flag of ['shared', 'rshared', 'slave', 'rslave', 'private', 'rprivate', 'unbindable', 'runbindable'])
      assert.deepEqual([flagsOf(`bind,${flag}`), mountFlags[flag] === undefined], [['bind', flag], false], flag);
    assert.deepEqual(flagsOf('rbind'), ['bind', 'rec']);
    assert.deepEqual(flagsOf('ro,noatime,defaults,rw,atime,async'), []);
    assert.equal(
      mountSpec({ type: 'none', device: '/x', o: 'rw,suid,dev,exec,async,atime,defaults' }, '/t').data,
      undefined,
    );
  });

  it('has addresses in the place of names', async () => {
    const resolve = async (name: string) => `192.0.2.${name.length}`;
    const optionsOf = async (type: string, device: string, o: string) => {
      const { device: d, o: options } = await withAddresses({ type, device, o }, resolve);
      return [d, options];
    };
    assert.deepEqual(await optionsOf('nfs', ':/x', 'rw,addr=nas.local,nolock'), [':/x', 'rw,addr=192.0.2.9,nolock']);
    assert.deepEqual(await optionsOf('nfs', ':/x', 'addr=192.0.2.1'), [':/x', 'addr=192.0.2.1']);
    assert.deepEqual(await optionsOf('nfs', ':/x', 'addr=2001:db8::1'), [':/x', 'addr=2001:db8::1']);
    assert.deepEqual(await optionsOf('nfs', ':/x', 'clientaddr=me'), [':/x', 'clientaddr=me']);
    assert.deepEqual(await optionsOf('cifs', '//nas.local/share', 'user=u'), ['//192.0.2.9/share', 'user=u']);
    assert.deepEqual(await optionsOf('cifs', '//nas/share', 'addr=other'), ['//nas/share', 'addr=192.0.2.5']);
    assert.deepEqual(await optionsOf('tmpfs', 'tmpfs', 'addr=x'), ['tmpfs', 'addr=x']);
  });

  it('is given up when the server does not answer', async () => {
    const clock = new SimulatedClock();
    // A process that the kernel does not let go of.
    const helper = { run: () => new Promise(() => undefined) } as unknown as HelperApi;
    const mounting = mountVolume({ helper, clock }, { type: 'nfs', device: ':/x', o: 'addr=192.0.2.1' }, '/t');
    const said = "error while mounting volume '/t': :/x was not mounted in 120 s";
    const refused = assert.rejects(mounting, (e) => isSwarmtsError(e, 'timeout') && e.message === said);
    await clock.advance(120_000);
    await refused;
  });

  it('does not begin when the name of the server is not known', async () => {
    const mounting = mountVolume(
      { helper: {} as HelperApi, clock: new SimulatedClock() },
      { type: 'nfs', device: ':/x', o: 'addr=no..name' },
      '/t',
    );
    await assert.rejects(mounting, /^SwarmtsError: error while mounting volume '\/t': error resolving .*no\.\.name/);
  });
});
