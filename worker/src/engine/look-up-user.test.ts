import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lookUpUser } from './container-bundle.js';

describe('the user of a container', () => {
  let root: string;
  let passwd: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'swarmts-users-'));
    mkdirSync(join(root, 'etc'));
    passwd = join(root, 'etc', 'passwd');
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it('is looked up in the files of the image', () => {
    writeFileSync(passwd, 'one:x:7:8::/home/one:/bin/sh\n');
    assert.equal(lookUpUser(root, 'one', []).uid, 7);
    rmSync(passwd);
    assert.equal(lookUpUser(root, '', []).uid, 0);
  });

  it('is not waited for where these are no files that anybody could read to their end', () => {
    execFileSync('mkfifo', [passwd]);
    assert.throws(() => lookUpUser(root, '', []), /\/etc\/passwd is no regular file/);
    rmSync(passwd);
    symlinkSync('/dev/zero', passwd);
    assert.equal(lookUpUser(root, '', []).uid, 0, 'the link leads nowhere inside');
    rmSync(passwd);
    writeFileSync(passwd, '');
    truncateSync(passwd, 1 << 30);
    assert.throws(() => lookUpUser(root, '', []), /\/etc\/passwd is larger than/);
  });
});
