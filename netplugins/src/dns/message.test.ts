import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  encodeAnswer,
  encodeFormatError,
  encodeName,
  encodeQuery,
  parseQuery,
  RecordType,
  ResponseCode,
} from './message.js';

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

/** What dig 9.18 sends for `dig +noedns +nocookie web A`, and with EDNS. */
const DIG_PLAIN = hex('a1b2 0120 0001 0000 0000 0000 03 776562 00 0001 0001');
const DIG_EDNS = hex('a1b2 0120 0001 0000 0000 0001 03 576542 00 001c 0001 00 0029 04d0 00000000 0000');

describe('DNS messages', () => {
  it('are read as dig sends them, whatever the case of the name', () => {
    const plain = parseQuery(DIG_PLAIN);
    assert.deepEqual(
      [plain?.id, plain?.name, plain?.type, plain?.hasEdns, plain?.udpBytes, plain?.recursionDesired],
      [0xa1b2, 'web', RecordType.A, false, 512, true],
    );
    const edns = parseQuery(DIG_EDNS);
    assert.deepEqual([edns?.name, edns?.type, edns?.hasEdns, edns?.udpBytes], ['web', RecordType.AAAA, true, 1232]);
  });

  it('are answered byte by byte', () => {
    const query = parseQuery(DIG_PLAIN) ?? assert.fail();
    const answer = encodeAnswer(query, { code: 0, records: [hex('0a010002')], ttlSeconds: 5 }, true);
    assert.equal(
      answer.toString('hex'),
      `a1b285800001000100000000${'0377656200'}00010001${'c00c000100010000000500040a010002'}`,
    );
  });

  it('give the question back with the letters that it had', () => {
    const query = parseQuery(DIG_EDNS) ?? assert.fail();
    const answer = encodeAnswer(query, { code: ResponseCode.noSuchName, records: [], ttlSeconds: 5 }, true);
    assert.ok(answer.includes(Buffer.from('WeB')));
    assert.equal(answer.readUInt16BE(2) & 15, 3);
    assert.equal(answer.readUInt16BE(10), 1, 'with an OPT record');
  });

  it('say of a version of EDNS that there is not that it is bad, and which there is', () => {
    const query = parseQuery(hex('a1b2 0120 0001 0000 0000 0001 03 576542 00 001c 0001 00 0029 04d0 00010000 0000'));
    assert.equal(query?.ednsVersion, 1);
    const answer = encodeAnswer(query, { code: ResponseCode.badVersion, records: [], ttlSeconds: 5 }, true);
    assert.equal(answer.readUInt16BE(2) & 15, 0);
    assert.equal(answer.subarray(-11).toString('hex'), '00' + '0029' + '04d0' + '01000000' + '0000');
  });

  it('are cut over UDP at what the client takes, and say so; never over TCP', () => {
    const records = Array.from({ length: 100 }, (_, i) => Buffer.from([10, 1, 0, i]));
    const plain = parseQuery(DIG_PLAIN) ?? assert.fail();
    const udp = encodeAnswer(plain, { code: 0, records, ttlSeconds: 5 }, true);
    assert.ok(udp.length <= 512);
    assert.equal(udp.readUInt16BE(2) & 0x0200, 0x0200);
    const tcp = encodeAnswer(plain, { code: 0, records, ttlSeconds: 5 }, false);
    assert.equal(tcp.readUInt16BE(6), 100);
    assert.equal(tcp.readUInt16BE(2) & 0x0200, 0);
  });

  it('that are no question are nothing', () => {
    assert.equal(parseQuery(Buffer.alloc(0)), undefined);
    assert.equal(parseQuery(DIG_PLAIN.subarray(0, 15)), undefined);
    const answer = Buffer.from(DIG_PLAIN);
    answer.writeUInt16BE(0x8180, 2);
    assert.equal(parseQuery(answer), undefined, 'an answer');
    const looping = hex('a1b2 0120 0001 0000 0000 0000 c00c 0001 0001');
    assert.equal(parseQuery(looping), undefined, 'a pointer to itself');
  });

  it('that cannot be understood are answered by that alone, and answers never', () => {
    const two = Buffer.from(DIG_PLAIN);
    two.writeUInt16BE(2, 4);
    assert.equal(parseQuery(two), undefined);
    assert.equal(encodeFormatError(two)?.toString('hex'), 'a1b281810000000000000000');
    two.writeUInt16BE(0x8180, 2);
    assert.equal(encodeFormatError(two), undefined);
    assert.equal(encodeFormatError(Buffer.alloc(11)), undefined);
  });

  it('tell the class of what is asked', () => {
    const chaos = Buffer.from(DIG_PLAIN);
    chaos.writeUInt16BE(3, chaos.length - 2);
    assert.deepEqual([parseQuery(chaos)?.isInternet, parseQuery(DIG_PLAIN)?.isInternet], [false, true]);
  });

  it('never make trouble, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const query = parseQuery(Buffer.from(bytes));
        if (query) encodeAnswer(query, { code: 0, records: [Buffer.alloc(4)], ttlSeconds: 1 }, true);
      }),
    );
  });

  it('are nothing when anything is cut off, or a label is longer than the rest, or a pointer', () => {
    for (const whole of [DIG_PLAIN, encodeQuery(1, 'a.long.name.of.five.labels', RecordType.A)]) {
      for (let end = 0; end < whole.length; end++)
        assert.equal(parseQuery(whole.subarray(0, end)), undefined, `${end}`);
      const name = parseQuery(whole)?.question.length ?? 0;
      for (let at = 12; at < 12 + name - 5; at += 1 + (whole[at] ?? 0)) {
        for (const length of [64, 0x80, 0xc0, 0xff]) {
          const changed = Buffer.from(whole);
          changed[at] = length;
          assert.equal(parseQuery(changed), undefined, `${at}: ${length}`);
        }
      }
    }
    const long = Array.from({ length: 5 }, () => 'x'.repeat(60)).join('.');
    assert.equal(parseQuery(encodeQuery(1, long, RecordType.A)), undefined, 'a name of more than 255 bytes');
  });

  it('that are nearly questions make no trouble either, and no answer is longer than the client takes', () => {
    const changes = fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { minLength: 1, maxLength: 4 });
    const records = Array.from({ length: 200 }, () => Buffer.alloc(16));
    fc.assert(
      fc.property(fc.constantFrom(DIG_PLAIN, DIG_EDNS), changes, (whole, list) => {
        const changed = Buffer.from(whole);
        for (const [at, value] of list) changed[at % changed.length] = value;
        const query = parseQuery(changed);
        if (!query) return;
        const answer = encodeAnswer(query, { code: 0, records, ttlSeconds: 1 }, true);
        assert.ok(answer.length <= Math.max(query.udpBytes, 512) && query.udpBytes <= 1232);
        assert.equal(answer.readUInt16BE(0), changed.readUInt16BE(0));
      }),
      { numRuns: 2_000 },
    );
  });

  it('survive the way there and back', () => {
    const label = fc.stringMatching(/^[a-z0-9-]{1,20}$/);
    fc.assert(
      fc.property(fc.array(label, { minLength: 1, maxLength: 5 }), fc.integer({ min: 0, max: 65535 }), (labels, id) => {
        const query = parseQuery(encodeQuery(id, labels.join('.'), RecordType.PTR, 1232));
        assert.deepEqual([query?.id, query?.name, query?.type], [id, labels.join('.'), RecordType.PTR]);
      }),
    );
    assert.throws(() => encodeName('x'.repeat(64)), /too long/);
  });
});
