// The two calls between members, without generated code: frames are bytes that this package packs itself.
import type { ChannelOptions, ServiceDefinition } from '@grpc/grpc-js';

const bytes = (value: Buffer): Buffer => value;
const methodOf = (path: string, responseStream: boolean) => ({
  path,
  requestStream: true,
  responseStream,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
});

/** One stream per direction for messages, one call per snapshot. */
export const MESSAGES = methodOf('/raft_ts.Transport/Messages', false);
export const SNAPSHOT = methodOf('/raft_ts.Transport/Snapshot', true);

export const SERVICE = { messages: MESSAGES, snapshot: SNAPSHOT } satisfies ServiceDefinition;

/** The largest frame: a batch of messages is packed up to far less, but a single proposal goes whole. */
const MAX_FRAME_BYTES = 64 * 1024 * 1024;

export const CHANNEL_OPTIONS: ChannelOptions = {
  'grpc.max_receive_message_length': MAX_FRAME_BYTES,
  'grpc.max_send_message_length': MAX_FRAME_BYTES,
  // Raft repeats what is lost; keeping messages for a second try would only cost time.
  'grpc.enable_retries': 0,
  // A peer that is cut off without a word is noticed, and one that is back is found, within a second or so.
  'grpc.keepalive_time_ms': 2_000,
  'grpc.keepalive_timeout_ms': 2_000,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
};
