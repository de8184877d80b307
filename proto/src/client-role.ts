/** What clients of the API may do, as their certificates say it: in the organizational unit of the subject. */
export const clientRoles = ['admin', 'readonly'] as const;

export type ClientRole = (typeof clientRoles)[number];

const UNIT_PREFIX = 'swarmts-';

export const clientUnit = (role: ClientRole): string => `${UNIT_PREFIX}${role}`;

/** undefined for units of certificates that are none of a client: those of nodes. */
export const clientRoleOf = (unit: string): ClientRole | undefined => clientRoles.find((r) => clientUnit(r) === unit);
