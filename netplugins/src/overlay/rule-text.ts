/** Pieces of nftables documents (nft(8)) that routers and mesh have in common. Pure. */

/** A set or map with its elements; without any the clause is left out, which nft asks for. */
export function elements(list: readonly string[]): string {
  return list.length === 0 ? '' : ` elements = { ${list.join(', ')} };`;
}

/** Translates the destination to one of the addresses, chosen anew for each connection. `port` '' keeps the port. */
export function balance(family: 'ipv4' | 'ipv6', addresses: readonly string[], port: string): string {
  const ip = family === 'ipv4' ? 'ip' : 'ip6';
  const [only = ''] = addresses;
  if (addresses.length === 1) {
    const target = port === '' ? only : family === 'ipv4' ? `${only}:${port}` : `[${only}]:${port}`;
    return `meta nfproto ${family} dnat ${ip} to ${target}`;
  }
  const choices = addresses.map((a, i) => (port === '' ? `${i} : ${a}` : `${i} : ${a} . ${port}`));
  return `meta nfproto ${family} dnat ${ip} to numgen random mod ${addresses.length} map { ${choices.join(', ')} }`;
}

/** Replaces a whole table in one transaction, whether or not it is there. */
export function replaceTable(family: 'inet' | 'netdev', name: string, body: readonly string[]): string {
  return [
    `add table ${family} ${name}`,
    `delete table ${family} ${name}`,
    `table ${family} ${name} {`,
    ...body.map((line) => `  ${line}`),
    '}',
    '',
  ].join('\n');
}

export function chain(name: string, hook: string, rules: readonly string[]): string[] {
  return [`chain ${name} {`, ...(hook === '' ? [] : [`  ${hook}`]), ...rules.map((r) => `  ${r}`), '}'];
}
