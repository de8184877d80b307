import assert from 'node:assert/strict';
import { endpointSysctls } from './endpoint-sysctls.js';

describe('kernel settings of an interface', () => {
  it('name it when it is there', () => {
    assert.deepEqual(endpointSysctls('net.ipv4.conf.ifname.log_martians=1,net.ipv6.conf.IFNAME.x=a=b', 'eth1'), {
      'net.ipv4.conf.eth1.log_martians': '1',
      'net.ipv6.conf.eth1.x': 'a=b',
    });
    assert.deepEqual(endpointSysctls('', 'eth0'), {});
  });

  it('are none of anything else', () => {
    for (const wrong of [
      'net.ipv4.conf.eth0.log_martians=1',
      'net.ipv4.ip_forward=1',
      'net.ipv4.conf.IFNAME.log_martians',
      'kernel.a.b.IFNAME.c=1',
      'net.ipv4.conf.IFNAME./../../x=1',
      'net.ipv4.conf.IFNAME.a=1;net.ipv4.ip_forward=1,x',
    ])
      assert.throws(
        () => endpointSysctls(wrong, 'eth0'),
        /unrecognised network interface sysctl '.*IFNAME\.Z=VALUE/,
        wrong,
      );
  });
});
