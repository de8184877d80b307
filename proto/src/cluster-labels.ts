/** Labels of the cluster that stand for settings which Docker's spec has no field for. */
export const clusterLabels = {
  keyPeriod: 'swarmts.network.key-period',
  orphanAfter: 'swarmts.node.orphan-after',
} as const;
