import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { labelSupport, securityLabels } from './security-labels.js';

const LABEL = 'system_u:system_r:svirt_t:s0:c1,c2';

describe('the labels of processes', () => {
  let sys: string;
  beforeEach(() => {
    sys = mkdtempSync(join(tmpdir(), 'swarmts-sys-'));
  });
  afterEach(() => rmSync(sys, { recursive: true }));

  /** As they lie below /sys. */
  const recorded = (files: Readonly<Record<string, string>>) => {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(sys, path)), { recursive: true });
      writeFileSync(join(sys, path), text);
    }
  };
  const UBUNTU = {
    'kernel/security/lsm': 'lockdown,capability,landlock,yama,apparmor,ima,evm',
    'kernel/security/apparmor/profiles': 'docker-default (enforce)\n/usr/sbin/ntpd (complain)\n',
    'module/apparmor/parameters/enabled': 'Y\n',
  };
  const FEDORA = {
    'kernel/security/lsm': 'lockdown,capability,yama,selinux,bpf,landlock,ipe,ima,evm',
    'fs/selinux/enforce': '1',
  };

  it('are known to a kernel with AppArmor or with SELinux', () => {
    recorded(UBUNTU);
    assert.deepEqual(labelSupport(sys), { apparmor: true, selinux: false });
    rmSync(sys, { recursive: true });
    recorded(FEDORA);
    assert.deepEqual(labelSupport(sys), { apparmor: false, selinux: true });
  });

  it('are not known to one that has neither, or has it switched off', () => {
    assert.deepEqual(labelSupport(sys), { apparmor: false, selinux: false });
    recorded({ ...UBUNTU, 'module/apparmor/parameters/enabled': 'N\n' });
    assert.equal(labelSupport(sys).apparmor, false);
    rmSync(join(sys, 'kernel/security'), { recursive: true });
    recorded({ 'module/apparmor/parameters/enabled': 'Y\n' });
    assert.equal(labelSupport(sys).apparmor, false, 'nobody has mounted securityfs');
  });

  it('are those that were asked for; privileged containers are unconfined', () => {
    const both = { apparmor: true, selinux: true };
    assert.deepEqual(securityLabels({ apparmorProfile: 'mine', selinuxLabel: LABEL }, both), {
      apparmorProfile: 'mine',
      selinuxLabel: LABEL,
    });
    assert.deepEqual(securityLabels({}, both), {});
    assert.deepEqual(securityLabels({ privileged: true }, both), { apparmorProfile: 'unconfined' });
    assert.deepEqual(securityLabels({ privileged: true, apparmorProfile: 'mine' }, both), { apparmorProfile: 'mine' });
  });

  it('are left out where the kernel does not know them, as Docker does', () => {
    const asked = { apparmorProfile: 'mine', selinuxLabel: LABEL, privileged: true };
    assert.deepEqual(securityLabels(asked, { apparmor: false, selinux: false }), {});
  });
});
