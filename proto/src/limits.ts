/** Limits on what users may ask for, with the source of each. */

/** Changes in one store transaction; more is split (SEMANTICS 3). */
export const MAX_CHANGES_PER_TRANSACTION = 200;
/** Bytes of one store transaction: two configs of the largest size, which change together when one gets a new version. */
export const MAX_TRANSACTION_BYTES = 2304 * 1024;
/** Secret payload, exclusive (Swarm: < 500 KiB). */
export const MAX_SECRET_BYTES = 500 * 1024;
/** Config payload, exclusive (Swarm: < 1000 KiB). */
export const MAX_CONFIG_BYTES = 1000 * 1024;
/** Replicas of one service; keeps one typo from filling the store. */
export const MAX_REPLICAS = 100_000;
/** Smallest CPU limit or reservation: 0.001 CPU. */
export const MIN_NANO_CPUS = 1e6;
/** Smallest memory limit or reservation: 4 MiB. */
export const MIN_MEMORY_BYTES = 4 * 1024 * 1024;
/** Automatic published ports. */
export const AUTO_PORT_RANGE: readonly [number, number] = [30000, 32767];
/** Size of one gRPC message to a manager. */
export const MAX_GRPC_MESSAGE_BYTES = 16 * 1024 * 1024;
/** Of one from it: all that a node is assigned, with secrets and configs of up to a megabyte each, or a list of ten thousand nodes. */
export const MAX_GRPC_ANSWER_BYTES = 256 * 1024 * 1024;
