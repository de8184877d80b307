/** The roots of a cluster: one, or two while a new one comes in. Pure. */
import type { RootCa } from '@swarmts/proto';
import type { KeyAndCert } from './certificates.js';

const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString();
const endingInNewline = (pem: string) => (pem.endsWith('\n') ? pem : `${pem}\n`);

/** What nodes are to trust, as one PEM. */
export function bundleOf(root: RootCa): string {
  const present = endingInNewline(text(root.certPem));
  return root.rotation ? present + endingInNewline(text(root.rotation.certPem)) : present;
}

/** What signs certificates now. */
export function signerOf(root: RootCa): KeyAndCert {
  const signer = root.rotation?.issuing ? root.rotation : root;
  return { certPem: text(signer.certPem), keyPem: text(signer.keyPem) };
}
