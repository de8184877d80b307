import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { rootTlsInfo } from './tls-info.js';

/** A root named CN=swarm-ca; its key was thrown away. */
const PEM = `-----BEGIN CERTIFICATE-----
MIIBfTCCASOgAwIBAgIUTul6hBH3YvWNOyyzw8UVZRmVWp0wCgYIKoZIzj0EAwIw
EzERMA8GA1UEAwwIc3dhcm0tY2EwIBcNMjYxMTIxMDUzMjA5WhgPMjEyNjEwMjgw
NTMyMDlaMBMxETAPBgNVBAMMCHN3YXJtLWNhMFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAEkWtKqLnfeO+7b6jNafCtEM0/fXQauWyX/KjSWYbLjSTDrEhrkBaZ+ubu
PvIOIuxKbkWTcu4oMutUjXWJQEctyaNTMFEwHQYDVR0OBBYEFIqZ750BhgfSmPcH
dj/sGBn1nskhMB8GA1UdIwQYMBaAFIqZ750BhgfSmPcHdj/sGBn1nskhMA8GA1Ud
EwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIhAOocOWeO/z0tb3fm78BhJ6/6
EtpgiikB/xzar//Z9wWOAiAP8ZcOkkgq16p/CZmmLAm9f4pCTmfI1NyNm+5r4xCX
pg==
-----END CERTIFICATE-----
`;

describe('the TLS info of a root certificate', () => {
  it('has the subject and the public key in DER', () => {
    const info = rootTlsInfo(Buffer.from(PEM));
    assert.equal(info?.trustRoot, PEM);
    // SEQUENCE { SET { SEQUENCE { OID 2.5.4.3, UTF8String "swarm-ca" } } }
    const name = `3013311130 0f 0603550403 0c08${Buffer.from('swarm-ca').toString('hex')}`.replaceAll(' ', '');
    assert.equal(Buffer.from(info.certIssuerSubject).toString('hex'), name);
    const key = new X509Certificate(PEM).publicKey.export({ type: 'spki', format: 'der' });
    assert.deepEqual(Buffer.from(info.certIssuerPublicKey), key);
  });

  it('is only the text where the certificate cannot be read', () => {
    const info = rootTlsInfo(Buffer.from('nonsense'));
    assert.deepEqual([info?.trustRoot, info?.certIssuerSubject.byteLength], ['nonsense', 0]);
    assert.equal(rootTlsInfo(new Uint8Array()), undefined);
  });
});
