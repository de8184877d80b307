/** The part of etcd's client protocol that both sides are measured with: gRPC frames with hand-written protobuf. */
export const PUT = '/etcdserverpb.KV/Put';
export const RANGE = '/etcdserverpb.KV/Range';
export const STATUS = '/etcdserverpb.Maintenance/Status';

const FRAME_HEAD_BYTES = 5;

export function frame(message: Uint8Array): Buffer {
  const bytes = Buffer.alloc(FRAME_HEAD_BYTES + message.length);
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, FRAME_HEAD_BYTES);
  return bytes;
}

/** The message in a frame that came as a whole. */
export function unframe(bytes: Buffer): Buffer {
  return bytes.subarray(FRAME_HEAD_BYTES, FRAME_HEAD_BYTES + bytes.readUInt32BE(1));
}

export function encodeVarint(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return bytes;
}

/** A field of bytes; `tag` is the field's number. */
export function bytesField(tag: number, value: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([(tag << 3) | 2, ...encodeVarint(BigInt(value.length))]), value]);
}

export function varintField(tag: number, value: bigint): Buffer {
  return Buffer.from([tag << 3, ...encodeVarint(value)]);
}

/** Fields by number, the last one of each: numbers as bigint, bytes as they are. */
export function readFields(message: Buffer): Map<number, bigint | Buffer> {
  const fields = new Map<number, bigint | Buffer>();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++] ?? 0;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const key = Number(varint());
    if ((key & 7) === 0) fields.set(key >> 3, varint());
    else if ((key & 7) === 2) {
      const length = Number(varint());
      fields.set(key >> 3, message.subarray(at, at + length));
      at += length;
    } else throw new Error(`a protobuf field of wire type ${key & 7}`);
  }
  return fields;
}
