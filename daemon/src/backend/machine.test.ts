import assert from 'node:assert/strict';
import { appArmorWarnings, diagnose } from './machine.js';

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
