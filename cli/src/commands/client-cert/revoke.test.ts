import assert from 'node:assert/strict';
import { runCli, START_MS } from '../../testing/fake-api.js';

const HOUR_MS = 3_600_000;
const at = (ms: number) => new Date(START_MS + ms).toISOString();
const valid = { Serial: '0A1B', Name: 'ann', Role: 'admin', IssuedAt: at(-2 * HOUR_MS), ExpiresAt: at(48 * HOUR_MS) };
const revoked = { ...valid, Serial: '0A2C', Name: 'rob', Role: 'readonly', RevokedAt: at(-HOUR_MS) };

describe('client certificates', () => {
  it('are listed with when they end, or that they were taken back', async () => {
    const routes = { 'GET /swarmts/v1/client-certificates': () => ({ json: [valid, revoked] }) };
    assert.equal(
      (await runCli(['client-cert', 'ls'], routes)).out,
      [
        'SERIAL NUMBER   NAME      ROLE       CREATED       STATUS',
        '0A1B            ann       admin      2 hours ago   Ends in 2 days',
        '0A2C            rob       readonly   2 hours ago   Revoked about an hour ago',
        '',
      ].join('\n'),
    );
    assert.equal((await runCli(['client-cert', 'ls', '-q'], routes)).out, '0A1B\n0A2C\n');
  });

  it('are taken back by name or serial number, one after the other', async () => {
    const { code, out, err } = await runCli(['client-cert', 'revoke', 'ann', 'eve', '0A2C'], {
      'POST /swarmts/v1/client-certificates/ann/revoke': () => ({ json: [valid, { ...valid, Serial: '0A1C' }] }),
      'POST /swarmts/v1/client-certificates/eve/revoke': () => ({ status: 404, json: { message: 'none of eve' } }),
      'POST /swarmts/v1/client-certificates/0A2C/revoke': () => ({ json: [revoked] }),
    });
    assert.deepEqual([code, out], [1, '0A1B\n0A1C\n0A2C\n']);
    assert.match(err, /none of eve/);
  });
});
