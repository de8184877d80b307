/** Which manager an agent turns to next. Pure. */

/**
 * The one after `last` in the order given, so that all get their turn. After a session (`wasEstablished`) the best known comes first again,
 * but not the one that the session was with: its machine may have lost its power, and would not even refuse a connection. Undefined where
 * none is known.
 */
export function nextManager(
  addrs: readonly string[],
  last: { readonly addr: string; readonly wasEstablished: boolean },
): string | undefined {
  if (last.wasEstablished) return addrs.find((addr) => addr !== last.addr) ?? addrs[0];
  return addrs[(addrs.indexOf(last.addr) + 1) % Math.max(1, addrs.length)];
}
