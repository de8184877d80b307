import { type Service, UpdateState } from '@swarmts/proto';

/** An update, or its rollback, is under way: neither done nor paused. */
export function isUpdating(service: Service): boolean {
  return service.updateStatus?.state === UpdateState.UPDATING || isRollingBack(service);
}

export function isRollingBack({ updateStatus }: Service): boolean {
  return updateStatus?.state === UpdateState.ROLLBACK_STARTED;
}
