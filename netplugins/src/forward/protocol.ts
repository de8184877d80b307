/** Between the daemon and the process that takes published ports on IPv6 addresses to containers that have IPv4 alone. */
import type { ControlMessage } from '../control/serve-control.js';

/** Another number means another build. */
export const FORWARD_PROTOCOL = 2;

export interface PortForward {
  readonly protocol: 'tcp' | 'udp';
  /** IPv6 address of the host; '::' is every one. */
  readonly hostIp: string;
  readonly port: number;
  /** Of the container, as the host reaches it. */
  readonly address: string;
  readonly targetPort: number;
}

export interface ForwardChange {
  /** What is not among `added` goes, whatever there was. */
  readonly reset: boolean;
  /** What is there already stays as it is. */
  readonly added: readonly PortForward[];
  /** By `forwardKey`. */
  readonly removed: readonly string[];
}

export interface ForwardUpdate extends ControlMessage, ForwardChange {}

export interface ForwardAcknowledgement {
  /** Reasons by `forwardKey`, of those that could not be opened. */
  readonly failed: Readonly<Record<string, string>>;
}

/** "tcp [::]:8080 172.30.0.2:80" */
export function forwardKey(f: PortForward): string {
  return `${f.protocol} [${f.hostIp}]:${f.port} ${f.address}:${f.targetPort}`;
}
