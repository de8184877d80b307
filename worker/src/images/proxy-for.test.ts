import assert from 'node:assert/strict';
import { parseProxy, proxyFor, withoutPassword } from './proxy-for.js';

describe('the proxy of a request', () => {
  const proxies = { HTTP_PROXY: 'http://plain:3128', HTTPS_PROXY: 'secure:3129' };
  const of = (url: string, none = '') => proxyFor(new URL(url), { ...proxies, NO_PROXY: none })?.href;

  it('is the one of its scheme', () => {
    assert.equal(of('http://registry/v2/'), 'http://plain:3128/');
    assert.equal(of('https://registry/v2/'), 'http://secure:3129/');
    assert.equal(proxyFor(new URL('https://registry'), { https_proxy: 'small:1' })?.host, 'small:1');
    assert.equal(proxyFor(new URL('https://registry'), { HTTP_PROXY: 'http://plain' }), undefined);
  });

  it('is none for this machine', () => {
    for (const url of ['http://localhost:5000', 'http://127.0.0.1:5000', 'https://127.8.0.1', 'http://[::1]:5000'])
      assert.equal(of(url), undefined, url);
    assert.ok(of('http://128.0.0.1'));
  });

  it('is none for what NO_PROXY names', () => {
    const direct = (url: string, none: string) => assert.equal(of(url, none), undefined, `${url} by ${none}`);
    const proxied = (url: string, none: string) => assert.ok(of(url, none), `${url} by ${none}`);
    direct('https://a.example', '*');
    direct('https://example.org', 'other, Example.ORG');
    direct('https://r.example.org', 'example.org');
    proxied('https://badexample.org', 'example.org');
    direct('https://r.example.org', '.example.org');
    proxied('https://example.org', '.example.org');
    direct('https://r.example.org', '*.example.org');
    direct('https://example.org:5000', 'example.org:5000');
    proxied('https://example.org', 'example.org:5000');
    direct('https://example.org', 'example.org:443');
    direct('https://192.0.2.7', '192.0.2.0/24');
    proxied('https://192.0.3.7', '192.0.2.0/24');
    direct('https://192.0.2.7:5000', '192.0.2.7');
    direct('https://[2001:db8::1]', '2001:db8::/32');
    proxied('https://192.0.2.7', '2001:db8::/32, nonsense/99');
    proxied('https://example.org', '192.0.2.0/24,,');
  });

  it('is of HTTP', () => {
    assert.throws(() => parseProxy('socks5://user:secret@host:1'), /invalid proxy "socks5:\/\/xxxxx:xxxxx@host:1"/);
    assert.throws(
      () => of.call(undefined, 'http://x') && proxyFor(new URL('http://x'), { HTTP_PROXY: '::' }),
      /invalid proxy/,
    );
    assert.equal(withoutPassword('http://user:secret@host:3128'), 'http://xxxxx:xxxxx@host:3128');
    assert.equal(withoutPassword('http://host:3128'), 'http://host:3128');
  });
});
