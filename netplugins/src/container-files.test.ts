import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import { buildHostsFile, parseAddHost, parseHostLine } from './hosts-file.js';
import { buildResolvConf } from './resolv-conf.js';

describe('resolv.conf', () => {
  it('is the host one without what a container cannot reach', () => {
    const host =
      '# made by hand\nnameserver 127.0.0.53\nnameserver 192.0.2.53 ; main\nsearch example.org\noptions ndots:2 edns0\nnameserver fe80::1%eth0\n';
    assert.deepEqual(buildResolvConf({ host }), {
      content: 'nameserver 192.0.2.53\nsearch example.org\noptions ndots:2 edns0\n',
      nameservers: ['192.0.2.53'],
      usesDefaults: false,
    });
  });

  it('falls back to public name servers when none is left, and says so', () => {
    const { content, usesDefaults } = buildResolvConf({ host: 'nameserver 127.0.0.1\nnameserver ::1\n' });
    assert.equal(content, 'nameserver 8.8.8.8\nnameserver 8.8.4.4\n');
    assert.ok(usesDefaults);
  });

  it('is what the user says, part by part', () => {
    const { content } = buildResolvConf({
      host: 'nameserver 192.0.2.53\nsearch example.org\n',
      nameservers: ['127.0.0.11', '2001:db8::1'],
      search: ['.'],
      options: ['ndots:0'],
    });
    assert.equal(content, 'nameserver 127.0.0.11\nnameserver 2001:db8::1\noptions ndots:0\n');
  });
});

describe('resolv.conf of a container that asks us', () => {
  const options = (host: string, wishes: readonly string[]) =>
    /^options (.*)$/m.exec(buildResolvConf({ host, options: wishes, required: ['ndots:0'] }).content)?.[1];

  it('keeps the options of the host or the user, and looks names up as they are unless they say otherwise', () => {
    assert.equal(options('', []), 'ndots:0');
    assert.equal(options('options edns0 trust-ad\n', []), 'edns0 trust-ad ndots:0');
    assert.equal(options('options ndots:3\n', []), 'ndots:3');
    assert.equal(options('options ndots:3\n', ['timeout:1']), 'timeout:1 ndots:0');
  });
});

describe('the hosts file', () => {
  it('has loopback, what was added and the container itself', () => {
    const content = buildHostsFile({
      own: [{ address: '172.30.0.2', names: ['web.1', 'web'] }],
      extra: [
        parseAddHost('db:192.0.2.7'),
        parseHostLine('192.0.2.8  cache cache.local'),
        parseAddHost('gw=host-gateway'),
      ],
      hostGateway: '172.30.0.1',
    });
    assert.match(content, /^127\.0\.0\.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n/);
    assert.ok(content.endsWith('192.0.2.7\tdb\n192.0.2.8\tcache cache.local\n172.30.0.1\tgw\n172.30.0.2\tweb.1 web\n'));
  });

  it('takes IPv6 addresses, with and without brackets', () => {
    assert.deepEqual(parseAddHost('db:[2001:db8::7]'), { address: '2001:db8::7', names: ['db'] });
    assert.deepEqual(parseAddHost('db:2001:db8::7'), { address: '2001:db8::7', names: ['db'] });
  });

  it('refuses entries that say nothing', () => {
    for (const bad of ['db', 'db:', ':1.2.3.4', 'db:nowhere']) {
      assert.throws(
        () => parseAddHost(bad),
        (e) => isSwarmtsError(e, 'invalid-argument'),
        bad,
      );
    }
    for (const bad of ['', '192.0.2.7', 'name 192.0.2.7']) {
      assert.throws(
        () => parseHostLine(bad),
        (e) => isSwarmtsError(e, 'invalid-argument'),
        bad,
      );
    }
    assert.throws(() => buildHostsFile({ own: [], extra: [parseAddHost('gw:host-gateway')] }), /host-gateway/);
  });
});
