import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { appArmorWarnings, diagnose, filesystemName, overlayCheck } from './machine.js';

describe('what is told of AppArmor', () => {
  const checkOf = (labels: Parameters<typeof appArmorWarnings>[0]) =>
    diagnose('crun', undefined, labels).find((c) => c.name === 'AppArmor');

  it('is nothing where the kernel has none', () => {
    const labels = { apparmor: false, selinux: true };
    assert.equal(checkOf(labels), undefined);
    assert.deepEqual(appArmorWarnings(labels), []);
  });

  it('is the profile that confines containers', () => {
    const labels = { apparmor: true, selinux: false, defaultProfile: 'swarmts-default' };
    assert.deepEqual(checkOf(labels), {
      name: 'AppArmor',
      ok: true,
      detail: 'containers are confined by swarmts-default',
      fix: '',
    });
    assert.deepEqual(appArmorWarnings(labels), []);
  });

  it('is what to install where no profile can be loaded', () => {
    const labels = { apparmor: true, selinux: false };
    assert.match(checkOf(labels)?.fix ?? '', /^apt-get install apparmor/);
    assert.match(appArmorWarnings(labels).join(), /apparmor_parser was not found/);
  });
});

describe('what is told of overlayfs', () => {
  /** Of a machine that has these files. */
  const checkOf = (files: Readonly<Record<string, string>>) => {
    const dir = mkdtempSync(join(tmpdir(), 'swarmts-machine-'));
    try {
      for (const [name, text] of Object.entries(files)) {
        mkdirSync(dirname(join(dir, name)), { recursive: true });
        writeFileSync(join(dir, name), text);
      }
      return overlayCheck({ proc: join(dir, 'proc'), sys: join(dir, 'sys'), modules: join(dir, 'modules') });
    } finally {
      rmSync(dir, { recursive: true });
    }
  };
  const proc = { 'proc/filesystems': 'nodev\tsysfs\n\text4\n' };

  it('is that the kernel has it', () => {
    for (const files of [
      { 'proc/filesystems': 'nodev\tsysfs\nnodev\toverlay\n' },
      { ...proc, 'sys/module/overlay/refcnt': '1' },
      { ...proc, 'modules/modules.builtin': 'kernel/fs/overlayfs/overlay.ko\n' },
    ]) {
      assert.equal(checkOf(files).ok, true, JSON.stringify(files));
    }
  });

  it('is fine while the module waits for the first container, as after the boot of a distribution', () => {
    const dep = 'kernel/fs/isofs/isofs.ko:\nkernel/fs/overlayfs/overlay.ko.xz: kernel/lib/crc.ko.xz\n';
    const { ok, detail } = checkOf({ ...proc, 'modules/modules.dep': dep });
    assert.deepEqual({ ok, detail }, { ok: true, detail: 'available, a module that is not loaded yet' });
  });

  it('is what to do about a kernel without it', () => {
    const { ok, fix } = checkOf({ ...proc, 'modules/modules.dep': 'kernel/fs/isofs/isofs.ko:\n' });
    assert.equal(ok, false);
    assert.match(fix, /CONFIG_OVERLAY_FS/);
  });
});

describe('the file system of the layers', () => {
  it('has the name that Docker gives it, and those that it does not know none', () => {
    assert.equal(filesystemName(0xef53), 'extfs');
    assert.equal(filesystemName(statfsSync('/proc').type), '<unknown>');
  });
});
