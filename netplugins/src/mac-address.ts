/** A locally administered MAC made of the IPv4 address, so that it is as unique as that one. */
export function macOf(address: string): string {
  return ['02', '42', ...address.split('.').map((part) => Number(part).toString(16).padStart(2, '0'))].join(':');
}
