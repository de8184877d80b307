/** A wire between two test hosts: 192.0.2.1 and 192.0.2.2 on devices named "wire". */
import {
  addAddress,
  closeFd,
  createLink,
  getLink,
  NetlinkSocket,
  openFile,
  parseLink,
  setLink,
  withNetns,
} from 'vxlan-tools';

export function joinHosts(a: string, b: string): void {
  const setUp = (address: string) => {
    const socket = new NetlinkSocket();
    try {
      const index = parseLink(socket.get(getLink({ name: 'wire' })))?.index ?? 0;
      for (const error of socket.batch([
        setLink({ index }, { up: true }),
        addAddress({ index, address, prefixLength: 24 }),
      ])) {
        if (error) throw error;
      }
    } finally {
      socket.close();
    }
  };
  const bFd = openFile(b, 0);
  try {
    withNetns(a, () => {
      const socket = new NetlinkSocket();
      try {
        socket.request(createLink({ kind: 'veth', name: 'wire', peer: { name: 'wire', netnsFd: bFd } }));
      } finally {
        socket.close();
      }
      setUp('192.0.2.1');
    });
    withNetns(b, () => setUp('192.0.2.2'));
  } finally {
    closeFd(bFd);
  }
}
