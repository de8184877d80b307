// `raft-ts/grpc`: the transport over gRPC, apart from the rest because it needs the package `@grpc/grpc-js`.
export { GrpcTransport, type GrpcTransportOptions, type TlsIdentity } from './grpc-transport.js';
