/** Which URLs are tried, and where plain http is allowed. */
import assert from 'node:assert/strict';
import { parseChallenge } from './registry-auth.js';
import { endpointsOf, isInsecure } from './registry-endpoints.js';

describe('the endpoints of a registry', () => {
  const urls = (domain: string, options: Parameters<typeof endpointsOf>[1] = {}) =>
    endpointsOf(domain, options).map((e) => `${e.base.href} ${e.verifyTls ? 'verified' : 'unverified'}`);

  it('are https only, unless the registry was declared insecure', () => {
    assert.deepEqual(urls('example.org'), ['https://example.org/ verified']);
    assert.deepEqual(urls('example.org:5000', { insecureRegistries: ['example.org:5000'] }), [
      'https://example.org:5000/ unverified',
      'http://example.org:5000/ unverified',
    ]);
  });

  it('may be plain http on loopback', () => {
    for (const host of ['localhost', 'localhost:5000', '127.0.0.1:5000', '127.9.9.9', '[::1]:5000']) {
      assert.equal(isInsecure(host, {}), true, host);
    }
    for (const host of ['128.0.0.1', 'localhost.evil.org', '10.0.0.1:5000', '127.evil.org']) {
      assert.equal(isInsecure(host, {}), false, host);
    }
  });

  it('knows blocks of addresses', () => {
    const options = { insecureRegistries: ['10.1.0.0/16'] };
    assert.equal(isInsecure('10.1.255.1:5000', options), true);
    assert.equal(isInsecure('10.2.0.1:5000', options), false);
  });

  it('of docker.io begin with the mirrors', () => {
    assert.deepEqual(urls('docker.io', { mirrors: ['https://mirror.example/prefix', 'http://127.0.0.1:5000'] }), [
      'https://mirror.example/prefix verified',
      'http://127.0.0.1:5000/ unverified',
      'https://registry-1.docker.io/ verified',
    ]);
    assert.deepEqual(urls('quay.io', { mirrors: ['https://mirror.example'] }), ['https://quay.io/ verified']);
  });
});

describe('a challenge', () => {
  it('is read with quotes, commas and escapes', () => {
    assert.deepEqual(
      parseChallenge('Bearer realm="https://a/t?x=1,2",service="s \\"q\\"",scope="repository:a:pull,push"'),
      {
        scheme: 'bearer',
        realm: 'https://a/t?x=1,2',
        service: 's "q"',
        scope: 'repository:a:pull,push',
      },
    );
    assert.deepEqual(parseChallenge('basic realm=x'), { scheme: 'basic' });
    assert.equal(parseChallenge('Negotiate'), undefined);
    assert.equal(parseChallenge(undefined), undefined);
    assert.equal(parseChallenge('Bearer service="x"'), undefined);
  });
});
