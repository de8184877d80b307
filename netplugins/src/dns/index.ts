export { NAMESERVER } from './container-sockets.js';
export { DNS_MAIN_FILE, DnsClient, type DnsClientOptions } from './dns-client.js';
export { type NetworkNames, namesOf } from './names.js';
export type { DnsContainer } from './protocol.js';
