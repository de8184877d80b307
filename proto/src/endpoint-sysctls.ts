/** Kernel settings of a container's interface on one network, which are given among the options of its place there. Pure. */
import { SwarmtsError } from '@swarmts/lib';

export const ENDPOINT_SYSCTLS = 'com.docker.network.endpoint.sysctls';
/** Docker's client writes all of it in small letters. */
const SETTING = /^(net\.[a-z0-9]+\.[a-z0-9]+)\.(?:IFNAME|ifname)((?:\.[a-z0-9_]+)+)=([^,]*)$/;

/**
 * "net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.IFNAME.forwarding=1" as settings of `iface`, whose name nobody knows before it is there. Throws 'invalid-argument' for what is
 * none of an interface.
 */
export function endpointSysctls(text: string, iface: string): Readonly<Record<string, string>> {
  const settings = text.split(',').filter((s) => s !== '');
  return Object.fromEntries(
    settings.map((setting) => {
      const [, family, name, value] = SETTING.exec(setting) ?? [];
      if (family !== undefined) return [`${family}.${iface}${name}`, value ?? ''];
      const form = 'net.X.Y.IFNAME.Z=VALUE';
      const what = `unrecognised network interface sysctl '${setting}'`;
      throw new SwarmtsError('invalid-argument', `${what}: write it as ${form}`);
    }),
  );
}
