import assert from 'node:assert/strict';
import { parseMount } from './mount.js';

describe('--mount', () => {
  const bind = (more: string) => parseMount(`type=bind,source=/a,target=/b,${more}`).BindOptions;

  it('says what becomes of what is mounted below a source', () => {
    assert.deepEqual(bind('bind-recursive=enabled'), undefined);
    assert.deepEqual(bind('bind-recursive=disabled'), { NonRecursive: true });
    assert.deepEqual(bind('readonly,bind-recursive=writable'), { ReadOnlyNonRecursive: true });
    assert.deepEqual(bind('bind-recursive=readonly,readonly,bind-propagation=rprivate'), {
      Propagation: 'rprivate',
      ReadOnlyForceRecursive: true,
    });
  });

  it('names a place within a volume or an image', () => {
    const volume = parseMount('source=v,target=/v,volume-subpath=a/b');
    assert.deepEqual(volume, { Type: 'volume', Source: 'v', Target: '/v', VolumeOptions: { Subpath: 'a/b' } });
    const image = parseMount('type=image,source=busybox,target=/i,image-subpath=bin');
    assert.deepEqual(image, { Type: 'image', Source: 'busybox', Target: '/i', ImageOptions: { Subpath: 'bin' } });
    const message = "cannot mix 'image-*' options with mount type 'volume'";
    assert.throws(() => parseMount('source=v,target=/v,image-subpath=a'), { message });
  });

  it('refuses what contradicts itself', () => {
    const refused = (more: string, message: string) => assert.throws(() => bind(more), { message });
    const needs = (value: string, what: string) =>
      `option 'bind-recursive=${value}' requires '${what}' to be specified in conjunction`;
    refused('bind-recursive=writable', needs('writable', 'readonly'));
    refused('bind-recursive=readonly', needs('readonly', 'readonly'));
    refused('bind-recursive=readonly,ro', needs('readonly', 'bind-propagation=rprivate'));
    const values = '(must be "enabled", "disabled", "writable", or "readonly")';
    refused('bind-recursive=toString', `invalid value for bind-recursive: toString ${values}`);
  });
});
