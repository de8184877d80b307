import assert from 'node:assert/strict';
import fs from 'node:fs';
import { chmod, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isSwarmtsError } from '@swarmts/lib';
import { NodeRole } from '@swarmts/proto';
import { createRequest, createRootCa, keyMatches, signNodeCertificate } from './certificates.js';
import { CredentialStore } from './credential-store.js';
import { newUnlockKey, parseUnlockKey, unlockKeyText } from './unlock-key.js';

const NOW = Date.now();

async function newFiles() {
  const root = await createRootCa(NOW);
  const { keyPem, csrPem } = await createRequest();
  const order = { csrPem, nodeId: 'node1', clusterId: 'c', role: NodeRole.MANAGER, validForMs: 3_600_000, nowMs: NOW };
  return { keyPem, certPem: await signNodeCertificate(root, order), rootPem: root.certPem };
}

describe('credentials on disk', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'swarmts-ca-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));
  const keyFile = () => readFile(join(dir, 'swarm-node.key'), 'utf8');
  async function reopened(): Promise<CredentialStore> {
    const store = await CredentialStore.open(dir);
    assert.ok(store);
    return store;
  }

  it('come back as they were saved, for the owner only', async () => {
    const files = await newFiles();
    await CredentialStore.create(dir, files);
    const store = await reopened();
    assert.deepEqual(store.credentials.files, { ...files, keyPem: store.credentials.files.keyPem });
    assert.equal(store.credentials.files.keyPem.trim(), files.keyPem.trim());
    assert.equal(store.identity.nodeId, 'node1');
    assert.equal((await stat(join(dir, 'swarm-node.key'))).mode & 0o777, 0o600);
  });

  it('remember that the TLS key was in clear until it is replaced, also when the daemon ends before that', async () => {
    const store = await CredentialStore.create(dir, await newFiles());
    assert.equal(store.keyWasClear, false, 'it is not sealed at all');
    const key = newUnlockKey();
    await store.lock(key);
    const again = await reopened();
    again.unlock(key);
    assert.equal(again.keyWasClear, true);
    await again.replace({ ...again.credentials.files, rootPem: (await newFiles()).rootPem });
    assert.equal(again.keyWasClear, true, 'another root is no other key');
    await again.replace(await newFiles());
    const last = await reopened();
    last.unlock(key);
    assert.equal(last.keyWasClear, false);
    await last.lock(newUnlockKey());
    assert.equal(last.keyWasClear, false, 'another unlock key seals what has never been in clear');
  });

  it('are undefined where there are none', async () => assert.equal(await CredentialStore.open(dir), undefined));

  it('tell those who use them of a new certificate', async () => {
    const store = await CredentialStore.create(dir, await newFiles());
    let told = 0;
    store.credentials.onChange(() => told++);
    const next = await newFiles();
    await store.replace(next);
    assert.deepEqual([told, store.credentials.files.certPem], [1, next.certPem]);
    assert.equal((await reopened()).credentials.files.certPem, next.certPem);
  });

  it('survive a crash between the new certificate and the new key', async () => {
    const old = await newFiles();
    await CredentialStore.create(dir, old);
    const fresh = await mkdtemp(join(tmpdir(), 'swarmts-ca-'));
    await CredentialStore.create(fresh, { ...(await newFiles()), rootPem: old.rootPem });
    await rename(join(fresh, 'swarm-node.crt'), join(dir, 'swarm-node.crt.next'));
    assert.equal((await reopened()).credentials.files.certPem, old.certPem);
    await rename(join(fresh, 'swarm-node.key'), join(dir, 'swarm-node.key'));
    const { keyPem, certPem } = (await reopened()).credentials.files;
    assert.ok(keyMatches(keyPem, certPem));
    await rm(fresh, { recursive: true });
  });

  /** Ends what is written to disk around its `at`th file that is put in place, as a crash does, or a full disk. */
  async function cutOff(write: () => Promise<void>, at: number, isAfter: boolean): Promise<void> {
    const { renameSync } = fs;
    let renames = 0;
    fs.renameSync = (from, to) => {
      renames++;
      if (renames > at || (renames === at && !isAfter)) throw new Error('cut off');
      renameSync(from, to);
      if (renames === at) throw new Error('cut off');
    };
    syncBuiltinESMExports();
    try {
      await write().catch((e: Error) => assert.equal(e.message, 'cut off'));
    } finally {
      fs.renameSync = renameSync;
      syncBuiltinESMExports();
    }
  }

  for (const isRestarted of [true, false]) {
    it(`survive two renewals that are each cut off at any moment, ${isRestarted ? 'with' : 'without'} a restart between`, async () => {
      const [old, first, second] = [await newFiles(), await newFiles(), await newFiles()];
      for (let one = 1; one <= 6; one++)
        for (let two = 1; two <= 6; two++)
          for (const isAfter of [false, true]) {
            await rm(dir, { recursive: true });
            let store = await CredentialStore.create(dir, old);
            await cutOff(() => store.replace(first), one, isAfter);
            if (isRestarted) store = await reopened();
            await cutOff(() => store.replace(second), two, isAfter);
            const { keyPem, certPem } = (await reopened()).credentials.files;
            assert.ok(keyMatches(keyPem, certPem), `cut off at ${one} and ${two}`);
            await store.addDataKey();
            assert.equal((await reopened()).dataKeys.length, 1);
          }
    });
  }

  it('are refused when key and certificate do not belong together, or there is no key in the file', async () => {
    const [a, b] = [await newFiles(), await newFiles()];
    await CredentialStore.create(dir, a);
    await writeFile(join(dir, 'swarm-node.key'), b.keyPem);
    await assert.rejects(CredentialStore.open(dir), (e) => isSwarmtsError(e, 'corrupt'));
    await writeFile(join(dir, 'swarm-node.key'), 'rubbish');
    await assert.rejects(CredentialStore.open(dir), (e) => isSwarmtsError(e, 'corrupt'));
  });

  it('hold data keys, the newest first', async () => {
    const store = await CredentialStore.create(dir, await newFiles());
    await store.addDataKey();
    const [first] = store.dataKeys;
    await store.addDataKey();
    assert.equal(store.dataKeys.length, 2);
    assert.deepEqual(
      (await reopened()).dataKeys.map((k) => Buffer.from(k)),
      store.dataKeys.map((k) => Buffer.from(k)),
    );
    assert.deepEqual(store.dataKeys[1], first);
    await store.dropDataKeys();
    assert.equal((await reopened()).dataKeys.length, 0);
  });

  it('are sealed with the unlock key, with a data key that was never in clear', async () => {
    const store = await CredentialStore.create(dir, await newFiles());
    await store.addDataKey();
    const before = await keyFile();
    const key = newUnlockKey();
    await store.lock(key);
    const sealed = await keyFile();
    assert.ok(!sealed.includes('PRIVATE KEY') && !sealed.includes('DATA KEY'));
    assert.ok(!before.includes(Buffer.from(store.dataKeys[0] ?? '').toString('base64')));

    const locked = await reopened();
    assert.ok(locked.locked);
    assert.equal(locked.identity.nodeId, 'node1');
    assert.throws(() => locked.credentials, /unlocked/);
    assert.throws(
      () => locked.unlock(newUnlockKey()),
      (e) => isSwarmtsError(e, 'invalid-argument'),
    );
    assert.ok(locked.locked);
    locked.unlock(key);
    assert.equal(locked.dataKeys.length, 2);
    await locked.unseal();
    assert.equal((await reopened()).locked, false);
  });

  it('need the key from before until they have heard of a new one', async () => {
    const store = await CredentialStore.create(dir, await newFiles());
    const [first, second] = [newUnlockKey(), newUnlockKey()];
    await store.lock(first);
    const copy = await keyFile();
    await store.lock(second);
    assert.equal(store.dataKeys.length, 1, 'a rotation alone needs no new data key');
    const current = await reopened();
    assert.throws(() => current.unlock(first), /invalid key/);
    current.unlock(second);
    await writeFile(join(dir, 'swarm-node.key'), copy);
    const old = await reopened();
    old.unlock(first);
    assert.equal(old.locked, false);
  });

  it('stay as they were when they cannot be written', async () => {
    const store = await CredentialStore.create(dir, await newFiles());
    const before = store.credentials.files;
    await rm(dir, { recursive: true });
    await writeFile(dir, '');
    await assert.rejects(store.lock(newUnlockKey()));
    assert.deepEqual([store.credentials.files, store.unlockKey, store.dataKeys.length], [before, undefined, 0]);
    await chmod(dir, 0o600);
  });
});

describe('an unlock key', () => {
  it('is written as Docker writes it, and read back', () => {
    const key = newUnlockKey();
    const text = unlockKeyText(key);
    assert.match(text, /^SWMKEY-1-[A-Za-z0-9+/]{43}$/);
    assert.deepEqual(Buffer.from(parseUnlockKey(` ${text}\n`)), Buffer.from(key));
  });

  for (const bad of ['', 'SWMKEY-1-', 'SWMKEY-2-abc', 'SWMKEY-1-abc', `SWMKEY-1-${'!'.repeat(43)}`]) {
    it(`'${bad}' is refused`, () =>
      assert.throws(
        () => parseUnlockKey(bad),
        (e) => isSwarmtsError(e, 'invalid-argument'),
      ));
  }
});
