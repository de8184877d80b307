/**
 * What the generated codecs are built on: protobufjs's reader and writer, and the rule that a field this release does
 * not know is kept as bytes and written back, so that a mixed-version cluster loses nothing.
 */
import { SwarmtsError } from '@swarmts/lib';
import protobuf from 'protobufjs/minimal.js';

export type Writer = protobuf.Writer;
export type Reader = protobuf.Reader;

export interface WithUnknownFields {
  /** Encoded fields of a newer release, in their order. */
  readonly unknownFields?: Uint8Array;
}

export interface Codec<T> {
  /** A message with the proto3 defaults, overridden by `partial`. */
  create(partial: Partial<T>): T;
  encode(message: T): Uint8Array;
  /** Throws SwarmtsError 'corrupt' for bytes that are no such message. */
  decode(bytes: Uint8Array): T;
  write(message: T, writer: Writer): Writer;
  read(reader: Reader, end: number): T;
}

export type Role = 'worker' | 'manager' | 'anyone';

export interface MethodSpec<Req, Res> {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly roles: readonly Role[];
  readonly request: Codec<Req>;
  readonly response: Codec<Res>;
}

/** grpc-js's MethodDefinition, plus the roles that may call it. */
export interface Method<Req, Res> {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly roles: readonly Role[];
  readonly requestSerialize: (m: Req) => Buffer;
  readonly requestDeserialize: (b: Buffer) => Req;
  readonly responseSerialize: (m: Res) => Buffer;
  readonly responseDeserialize: (b: Buffer) => Res;
}

export function method<Req, Res>(spec: MethodSpec<Req, Res>): Method<Req, Res> {
  const { request, response, ...rest } = spec;
  return {
    ...rest,
    requestSerialize: (m) => asBuffer(request.encode(m)),
    requestDeserialize: (b) => request.decode(b),
    responseSerialize: (m) => asBuffer(response.encode(m)),
    responseDeserialize: (b) => response.decode(b),
  };
}

function asBuffer(b: Uint8Array): Buffer {
  return Buffer.from(b.buffer, b.byteOffset, b.byteLength);
}

export const EMPTY: Uint8Array = new Uint8Array(0);

export function newWriter(): Writer {
  return protobuf.Writer.create();
}

/** protobufjs gives a Long where the long package is installed, else a number; ours are safe integers. */
export function toNumber(v: number | { toString(): string }): number {
  return typeof v === 'number' ? v : Number(v.toString());
}

/** Detaches bytes from the (possibly large) buffer that they were read from. */
export function copyBytes(b: Uint8Array): Uint8Array {
  return Uint8Array.prototype.slice.call(b);
}

export function readEnd(r: Reader): number {
  const length = r.uint32();
  const end = r.pos + length;
  if (end > r.len) throw new RangeError('length-delimited field runs past the end');
  return end;
}

/** Sets an own property even for keys such as "__proto__". */
export function setEntry<V>(map: Record<string, V>, key: string, value: V): void {
  Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
}

export function keepUnknown(m: { unknownFields?: Uint8Array }, r: Reader, start: number, tag: number): void {
  r.skipType(tag & 7);
  const field = Uint8Array.prototype.slice.call(r.buf, start, r.pos);
  m.unknownFields = m.unknownFields ? Buffer.concat([m.unknownFields, field]) : field;
}

export function writeUnknown(m: WithUnknownFields, w: Writer): Writer {
  if (m.unknownFields === undefined) return w;
  return w.raw(m.unknownFields);
}

export function decodeWith<T>(codec: Codec<T>, bytes: Uint8Array, name: string): T {
  try {
    const r = protobuf.Reader.create(bytes);
    return codec.read(r, r.len);
  } catch (e) {
    throw new SwarmtsError('corrupt', `cannot decode a ${name} of ${bytes.length} bytes`, { cause: e });
  }
}

const BYTES_KEY = '$bytes';

/** JSON of any message; bytes become {"$bytes": base64}. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, function replace(this: unknown, key, v) {
    // Buffer has a toJSON of its own that runs before the replacer: look at the original.
    const original = (this as Record<string, unknown>)[key];
    if (original instanceof Uint8Array) return { [BYTES_KEY]: Buffer.from(original).toString('base64') };
    if (typeof original === 'bigint') return original.toString();
    return v;
  });
}

export function fromJson(text: string): unknown {
  return JSON.parse(text, (_key, v: unknown) => {
    if (typeof v === 'object' && v !== null && BYTES_KEY in v && typeof v[BYTES_KEY] === 'string') {
      return new Uint8Array(Buffer.from(v[BYTES_KEY], 'base64'));
    }
    return v;
  });
}
