/** Connections to the API of a node between managers: a follower has the leader, to whom all nodes are connected, join it to one of them. */
import type { Duplex } from 'node:stream';
import * as grpc from '@grpc/grpc-js';
import { FramedDuplex, joinDuplexes } from '@swarmts/lib';
import { ControlService, TunnelFrame } from '@swarmts/proto';
import { fromServiceError, toStatus } from './unary.js';

/** A leader of an earlier release does not say that the tunnel is open: after this time it is taken for granted. */
const OPEN_TIMEOUT_MS = 2_000;

/** On a follower. Throws SwarmtsError as the leader does, such as 'unavailable' for a node that is not connected. */
export async function openTunnelThrough(leader: grpc.Client, nodeId: string): Promise<Duplex> {
  const m = ControlService.tunnel;
  const frames = leader.makeBidiStreamRequest(m.path, m.requestSerialize, m.responseDeserialize);
  frames.write(TunnelFrame.create({ open: true, node: nodeId }));
  const tunnel = tunnelOver(frames);
  await opened(frames);
  return tunnel;
}

function opened(frames: grpc.ClientDuplexStream<TunnelFrame, TunnelFrame>): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, OPEN_TIMEOUT_MS);
    frames.once('metadata', () => {
      clearTimeout(timer);
      resolve();
    });
    frames.once('error', (e: grpc.ServiceError) => {
      clearTimeout(timer);
      reject(fromServiceError(e));
    });
  });
}

/** On the leader. */
export function serveTunnel(
  frames: grpc.ServerDuplexStream<TunnelFrame, TunnelFrame>,
  open: (nodeId: string) => Duplex,
): void {
  frames.once('data', (first: TunnelFrame) => {
    try {
      const tunnel = open(first.node);
      frames.sendMetadata(new grpc.Metadata());
      joinDuplexes(tunnelOver(frames), tunnel);
    } catch (e) {
      frames.emit('error', toStatus(e));
    }
  });
}

interface FrameStream {
  write(f: TunnelFrame): unknown;
  end(): unknown;
  on(event: 'data', listener: (f: TunnelFrame) => void): unknown;
  on(event: 'error', listener: (e: Error) => void): unknown;
  on(event: 'end' | 'close' | 'cancelled', listener: () => void): unknown;
}

/** One tunnel that has a gRPC stream to itself. Its end is an end of writing alone: what has come is still there to be read. */
function tunnelOver(frames: FrameStream): Duplex {
  let over = false;
  const stream = new FramedDuplex((f) => {
    if (!over) frames.write(TunnelFrame.create(f));
  });
  const end = () => {
    over = true;
    stream.receive(TunnelFrame.create({ close: true }));
  };
  frames.on('data', (f) => stream.receive(f));
  frames.on('error', (e) => {
    over = true;
    stream.destroy(e);
  });
  for (const event of ['end', 'close', 'cancelled'] as const) frames.on(event, end);
  stream.once('close', () => {
    over = true;
    // Also in answer to the other side's end, or the call would stay open.
    frames.end();
  });
  return stream;
}
