import assert from 'node:assert/strict';
import { runtimeVersion } from './known-escapes.js';

describe('versions of OCI runtimes', () => {
  const escapes = (text: string) => runtimeVersion(text)?.escapes;

  it('are known for their escapes until the version that mends each series', () => {
    assert.deepEqual(escapes('runc version 1.1.11\n')?.includes('CVE-2024-21626'), true);
    assert.deepEqual(escapes('runc version 1.1.12\n')?.includes('CVE-2024-21626'), false);
    assert.deepEqual(escapes('runc version 1.2.7')?.length, 3);
    for (const fine of ['1.2.8', '1.3.3', '1.4.0', '2.0.0'])
      assert.deepEqual(escapes(`runc version ${fine}`), [], fine);
    assert.deepEqual(escapes('runc version 1.3.2')?.length, 3);
    assert.deepEqual(escapes('crun version 1.4.3'), ['CVE-2022-27650']);
    assert.deepEqual(escapes('crun version 1.8.1\ncommit: f8a0'), []);
  });

  it('say when a distribution may have mended them, and nothing of other programs', () => {
    assert.equal(runtimeVersion('runc version 1.1.5+ds1\ncommit: 1.1.5+ds1-1+deb12u1')?.distribution, true);
    assert.equal(runtimeVersion('runc version 1.1.5')?.distribution, false);
    assert.equal(runtimeVersion('youki version 0.3'), undefined);
  });
});
