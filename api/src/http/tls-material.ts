/** The certificates of a TCP listener, and those that it takes. */
import type { TLSSocket } from 'node:tls';

/** What a listener shows to its clients and asks of them. */
export interface TlsMaterial {
  readonly certPem: string;
  readonly keyPem: string;
  /** Clients must show a certificate signed by one of these; without it anybody may do anything. */
  readonly clientCaPem?: string;
  /** Of the cluster whose CA that is. */
  readonly clusterId?: string;
  /** Serial numbers of certificates that were taken back. */
  readonly revoked?: ReadonlySet<string>;
}

/** Changes while the listener is open: certificates are renewed. Without material nobody is let in. */
export interface TlsSource {
  readonly material: TlsMaterial | undefined;
  onChange(listener: () => void): void;
}

/** Whether the certificate that the client has shown was taken back. */
export function isRevoked(connection: TLSSocket, material: TlsMaterial | undefined): boolean {
  return material?.revoked?.has(connection.getPeerCertificate().serialNumber) ?? false;
}
