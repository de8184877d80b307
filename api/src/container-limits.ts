/** The limits of a container, at its creation and later. */

export interface Throttle {
  /** Of a block device. */
  readonly path: string;
  readonly value: number;
}

/** 0 and '' are no limit; what is undefined was not said. */
export interface ContainerLimits {
  readonly nanoCpus: number;
  readonly cpuShares: number;
  readonly cpuPeriodUs: number;
  readonly cpuQuotaUs: number;
  readonly cpusetCpus: string;
  readonly cpusetMems: string;
  readonly memoryBytes: number;
  readonly memoryReservationBytes: number;
  /** Memory plus swap; 0 is twice the memory, -1 unlimited. */
  readonly memorySwapBytes: number;
  readonly memorySwappiness?: number;
  readonly oomKillDisable?: boolean;
  readonly oomScoreAdj: number;
  readonly pidsLimit: number;
  readonly blkioWeight: number;
  readonly blkioWeightDevice: readonly Throttle[];
  readonly blkioReadBps: readonly Throttle[];
  readonly blkioWriteBps: readonly Throttle[];
  readonly blkioReadIops: readonly Throttle[];
  readonly blkioWriteIops: readonly Throttle[];
  readonly ulimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
}
