/** The label of processes from what a user says of it. Pure. */

export interface SelinuxContext {
  readonly user?: string;
  readonly role?: string;
  readonly type?: string;
  readonly level?: string;
}

/** "user:role:type:level"; '' without a type, which alone decides what a process may do. */
export function selinuxLabel({ user, role, type, level }: SelinuxContext): string {
  return type ? `${user || 'system_u'}:${role || 'system_r'}:${type}:${level || 's0'}` : '';
}
