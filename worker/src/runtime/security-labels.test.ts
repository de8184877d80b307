import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { planOverlay } from '../snapshots/rootfs.js';
import { labelFiles, labelSupport, mountLabel, securityLabels } from './security-labels.js';

const LABEL = 'system_u:system_r:svirt_t:s0:c1,c2';
const FILES = 'system_u:object_r:container_file_t:s0';

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

  it('name the profile of the engine where a container names none', () => {
    const support = { apparmor: true, selinux: false, defaultProfile: 'swarmts-default' };
    assert.deepEqual(securityLabels({}, support), { apparmorProfile: 'swarmts-default' });
    assert.deepEqual(securityLabels({ apparmorProfile: 'mine' }, support), { apparmorProfile: 'mine' });
    assert.deepEqual(securityLabels({ apparmorProfile: 'unconfined' }, support), { apparmorProfile: 'unconfined' });
    assert.deepEqual(securityLabels({ privileged: true }, support), { apparmorProfile: 'unconfined' });
  });

  it('have files at the level of the processes, as the policy in force has it', () => {
    recorded({
      ...FEDORA,
      'etc/selinux/config': '# comment\nSELINUX=enforcing\nSELINUXTYPE=mls\n',
      'etc/selinux/mls/contexts/lxc_contexts': `process = "system_u:system_r:container_t:s0"\nfile = "${FILES}"\n`,
    });
    const support = labelSupport(sys, join(sys, 'etc'));
    assert.deepEqual(support, { apparmor: false, selinux: true, fileLabel: FILES });
    assert.equal(mountLabel({ selinuxLabel: LABEL }, support), 'system_u:object_r:container_file_t:s0:c1,c2');
    assert.equal(
      mountLabel({ selinuxLabel: 'u:r:t:s0-s15:c0.c1023' }, support),
      'system_u:object_r:container_file_t:s0-s15:c0.c1023',
    );
    assert.equal(mountLabel({}, support), '', 'processes that are not labelled');
    assert.equal(mountLabel({ selinuxLabel: LABEL }, { ...support, selinux: false }), '');
    assert.equal(
      mountLabel({ selinuxLabel: LABEL }, labelSupport(sys, join(sys, 'none'))),
      '',
      'a policy without containers',
    );
  });

  it('are an option of the root that is mounted, of what the runtime mounts, and of files from outside', async () => {
    const label = 'system_u:object_r:container_file_t:s0:c1,c2';
    const paths = { upper: '/c/upper', work: '/c/work', target: '/c/rootfs' };
    assert.match(
      planOverlay('/o', ['l/0'], paths, label).data,
      /,context="system_u:object_r:container_file_t:s0:c1,c2"$/,
    );
    assert.doesNotMatch(planOverlay('/o', ['l/0'], paths).data, /context/);
    const calls: string[] = [];
    const helper = (code: number) => ({
      run: ({ argv }: { readonly argv: readonly string[] }) => {
        calls.push(argv.join(' '));
        return Promise.resolve({
          code,
          signal: '',
          stdout: Buffer.alloc(0),
          stderr: Buffer.from('chcon: not permitted'),
        });
      },
    });
    await labelFiles(helper(0), label, ['/c/hosts', '/c/hostname']);
    await labelFiles(helper(0), label, []);
    assert.deepEqual(calls, [`chcon -- ${label} /c/hosts /c/hostname`]);
    await assert.rejects(labelFiles(helper(1), label, ['/c/hosts']), /SELinux relabeling .* chcon: not permitted$/);
  });

  it('are left out where the kernel does not know them, as Docker does', () => {
    const asked = { apparmorProfile: 'mine', selinuxLabel: LABEL, privileged: true };
    assert.deepEqual(securityLabels(asked, { apparmor: false, selinux: false }), {});
  });
});
