/** Follows the store of the manager that this node is, through changes of role: a node that is promoted is watched from then on. */
import type { Watch } from '@swarmts/lib';
import type { Manager, StoreEvents } from '@swarmts/manager';

export interface ManagerWatchOptions extends StoreEvents {
  /** In the same turn in which watching begins: for a snapshot without a gap. */
  begin?(manager: Manager): void;
  /** This node is no manager any more. */
  end?(): void;
}

export interface ManagerSource {
  readonly managerIfAny: Manager | undefined;
  onChange(listener: () => void): void;
}

export function watchManager(node: ManagerSource, options: ManagerWatchOptions): void {
  let watched: { readonly manager: Manager; readonly watch: Watch } | undefined;
  const follow = () => {
    const manager = node.managerIfAny;
    if (manager === watched?.manager) return;
    watched?.watch.close();
    watched = manager && { manager, watch: manager.store.watch(options) };
    if (manager) options.begin?.(manager);
    else options.end?.();
  };
  node.onChange(follow);
  follow();
}
