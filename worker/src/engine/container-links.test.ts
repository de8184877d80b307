import assert from 'node:assert/strict';
import { type LinkedContainer, linkedPorts, linkHostLines, linkVariables, movedHosts } from './container-links.js';

const tcp = (targetPort: number) => ({ protocol: 'tcp', targetPort }) as const;
const db = (more: Partial<LinkedContainer> = {}): LinkedContainer => ({
  alias: 'my-db',
  name: 'db',
  hostname: '0123456789ab',
  address: '172.30.0.2',
  env: [],
  ports: [],
  ...more,
});

describe('a linked container', () => {
  it('is known by alias, hostname and name, each once', () => {
    assert.deepEqual(linkHostLines([db(), db({ alias: 'db' })]), [
      '172.30.0.2 my-db 0123456789ab db',
      '172.30.0.2 db 0123456789ab',
    ]);
  });

  it('is told of in variables: lowest port, every port, name, environment', () => {
    const env = ['PATH=/bin', 'HOME=/', 'HOSTNAME=x', 'TERM=xterm', 'PASSWORD=a=b'];
    const ports = [{ protocol: 'udp', targetPort: 53 } as const, tcp(5432)];
    assert.deepEqual(linkVariables('web', [db({ env, ports })]), [
      'MY_DB_PORT=udp://172.30.0.2:53',
      'MY_DB_PORT_5432_TCP=tcp://172.30.0.2:5432',
      'MY_DB_PORT_5432_TCP_ADDR=172.30.0.2',
      'MY_DB_PORT_5432_TCP_PORT=5432',
      'MY_DB_PORT_5432_TCP_PROTO=tcp',
      'MY_DB_PORT_53_UDP=udp://172.30.0.2:53',
      'MY_DB_PORT_53_UDP_ADDR=172.30.0.2',
      'MY_DB_PORT_53_UDP_PORT=53',
      'MY_DB_PORT_53_UDP_PROTO=udp',
      'MY_DB_NAME=/web/my-db',
      'MY_DB_ENV_PASSWORD=a=b',
    ]);
    assert.deepEqual(linkVariables('web', [db()]), ['MY_DB_NAME=/web/my-db']);
  });

  it('has the ends of long ranges of ports among its variables', () => {
    const ranges = linkVariables('web', [db({ ports: [tcp(83), tcp(80), tcp(81), tcp(82), tcp(90), tcp(91)] })]);
    assert.deepEqual(
      ranges.filter((v) => /_(START|END)=/.test(v)),
      [
        'MY_DB_PORT_80_TCP_START=tcp://172.30.0.2:80',
        'MY_DB_PORT_80_TCP_PORT_START=80',
        'MY_DB_PORT_80_TCP_END=tcp://172.30.0.2:83',
        'MY_DB_PORT_80_TCP_PORT_END=83',
      ],
    );
  });

  it('has its new address in the hosts file, among lines of the container’s own', () => {
    const before = '127.0.0.1\tlocalhost\n172.30.0.2\tmy-db 0123456789ab db\n10.0.0.1\tmy-db\n172.30.0.3\tweb\n';
    const after = movedHosts(before, [db({ address: '172.30.0.7' })]);
    assert.equal(after, before.replace('172.30.0.2\t', '172.30.0.7\t'));
    assert.equal(movedHosts(before, []), before);
    const renamed = movedHosts(before, [db({ name: 'db2' })]);
    assert.equal(renamed, before.replace('ab db\n', 'ab db2\n'), 'under another name');
  });

  it('has no line in the hosts file any more when the link is gone', () => {
    const others = '127.0.0.1\tlocalhost\n10.0.0.1\tmy-db\n172.30.0.4\tweb my-db\n';
    const hosts = `${others}172.30.0.2\tmy-db 0123456789ab db\n`;
    assert.equal(movedHosts(hosts, [], db()), others);
    assert.equal(movedHosts(hosts, [], db({ alias: 'other' })), hosts);
  });

  it('has all its ports open', () => {
    assert.deepEqual(linkedPorts([db({ ports: [tcp(80)] })]), [{ address: '172.30.0.2', protocol: 'tcp', port: 80 }]);
  });
});
