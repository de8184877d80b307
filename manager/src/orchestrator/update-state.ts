import { type Service, UpdateState } from '@swarmts/proto';

/** An update, or its rollback, is under way: neither done nor paused. */
export function isUpdating({ updateStatus }: Service): boolean {
  return updateStatus?.state === UpdateState.UPDATING || updateStatus?.state === UpdateState.ROLLBACK_STARTED;
}
