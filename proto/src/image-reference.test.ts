/** References as users write them. */
import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import fc from 'fast-check';
import { familiarString, parseReference, repositoryOf, tagKey } from './image-reference.js';

const HEX = 'a'.repeat(64);

describe('an image reference', () => {
  const good: [string, string, string][] = [
    ['busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36', 'busybox:1.36'],
    ['user/app', 'docker.io/user/app:latest', 'user/app:latest'],
    ['docker.io/busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['index.docker.io/library/busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['localhost/app', 'localhost/app:latest', 'localhost/app:latest'],
    ['localhost:5000/app:v1', 'localhost:5000/app:v1', 'localhost:5000/app:v1'],
    ['127.0.0.1:5000/a/b/c', '127.0.0.1:5000/a/b/c:latest', '127.0.0.1:5000/a/b/c:latest'],
    ['[::1]:5000/app', '[::1]:5000/app:latest', '[::1]:5000/app:latest'],
    ['ghcr.io/Org/app'.toLowerCase(), 'ghcr.io/org/app:latest', 'ghcr.io/org/app:latest'],
    ['a__b/c-d.e', 'docker.io/a__b/c-d.e:latest', 'a__b/c-d.e:latest'],
  ];

  for (const [text, key, familiar] of good) {
    it(`reads ${text}`, () => {
      const ref = parseReference(text);
      assert.equal(tagKey(ref), key);
      assert.equal(familiarString(ref), familiar);
    });
  }

  it('keeps tag and digest apart', () => {
    const ref = parseReference(`app:v1@sha256:${HEX}`);
    assert.deepEqual([repositoryOf(ref), ref.tag, ref.digest], ['docker.io/library/app', 'v1', `sha256:${HEX}`]);
    assert.equal(parseReference(`app@sha256:${HEX}`).tag, undefined);
  });

  const bad: [string, string][] = [
    ['', 'invalid reference format'],
    [':v1', 'invalid reference format'],
    ['app:', 'invalid reference format'],
    ['app@sha256:abc', 'invalid reference format'],
    ['a//b', 'invalid reference format'],
    ['-app', 'invalid reference format'],
    ['app:-x', 'invalid reference format'],
    ['host:port/app', 'invalid reference format'],
    ['a b', 'invalid reference format'],
    ['../etc/passwd', 'invalid reference format'],
    ['App', 'invalid reference format: repository name (library/App) must be lowercase'],
    [HEX, `invalid repository name (${HEX}), cannot specify 64-byte hexadecimal strings`],
    ['a'.repeat(256), 'invalid reference format: repository name must not be more than 255 characters'],
  ];

  for (const [text, message] of bad) {
    it(`refuses '${text.slice(0, 20)}' in the words of Docker`, () => {
      assert.throws(
        () => parseReference(text),
        (e) => isSwarmtsError(e, 'invalid-argument') && e.message === message,
      );
    });
  }

  it('means the same when its familiar form is read again', () => {
    const part = fc.stringMatching(/^[a-z0-9]{1,5}$/);
    const text = fc
      .tuple(
        fc.option(fc.constantFrom('localhost:5000', 'example.org', 'docker.io')),
        fc.array(part, { minLength: 1, maxLength: 3 }),
        fc.option(part),
      )
      .map(([host, path, tag]) => `${host ? `${host}/` : ''}${path.join('/')}${tag ? `:${tag}` : ''}`);
    fc.assert(
      fc.property(text, (t) => {
        const ref = parseReference(t);
        assert.deepEqual(parseReference(familiarString(ref)), ref);
      }),
    );
  });
});
