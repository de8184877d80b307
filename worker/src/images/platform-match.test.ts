import assert from 'node:assert/strict';
import { parsePlatform } from './manifest.js';
import { platformMismatch } from './platform-match.js';

describe('the platform of an image', () => {
  const mismatch = (wanted: string, image: string) =>
    platformMismatch('box', parsePlatform(wanted), parsePlatform(image));

  it('is the one that was asked for, or an older variant of it', () => {
    for (const [wanted, image] of [
      ['linux/amd64', 'linux/amd64'],
      ['amd64', 'linux/x86_64'],
      ['linux/arm/v7', 'linux/arm/v6'],
      ['linux/arm64', 'linux/arm64/v8'],
    ] as const) {
      assert.equal(mismatch(wanted, image), undefined, `${wanted} ${image}`);
    }
    assert.throws(() => parsePlatform('nope'), /unknown operating system or architecture: invalid argument/);
    assert.throws(
      () => parsePlatform('linux/a/b/c'),
      /"linux\/a\/b\/c": cannot parse platform specifier: invalid argument/,
    );
    assert.throws(
      () => parsePlatform('linux/a b'),
      /"a b" is an invalid component of "linux\/a b": platform specifier/,
    );
    assert.deepEqual(parsePlatform('bogus/amd64'), { os: 'bogus', architecture: 'amd64' });
    assert.equal(platformMismatch('box', parsePlatform('arm64'), { os: 'linux', architecture: 'arm64' }), undefined);
  });

  it('is named beside the one that was asked for when it is another', () => {
    assert.equal(
      mismatch('linux/arm64', 'linux/amd64'),
      'image with reference box was found but does not match the specified platform: ' +
        'wanted linux/arm64, actual: linux/amd64',
    );
    assert.match(mismatch('linux/arm/v6', 'linux/arm/v7') ?? '', /wanted linux\/arm\/v6, actual: linux\/arm\/v7$/);
    assert.match(mismatch('windows/amd64', 'linux/amd64') ?? '', /wanted windows\/amd64/);
  });
});
