/** Labels, variables and options: a map, or a list of "key=value"; a key alone has no value. Pure. */
export function dictionary(value: unknown): Record<string, string | null> {
  const text = (v: unknown) => (v === null || v === undefined ? null : String(v));
  if (!Array.isArray(value)) return Object.fromEntries(Object.entries(value as object).map(([k, v]) => [k, text(v)]));
  return Object.fromEntries(
    value.map((entry: string) => {
      const eq = entry.indexOf('=');
      return eq < 0 ? [entry, null] : [entry.slice(0, eq), entry.slice(eq + 1)];
    }),
  );
}

export function withoutNulls(map: Readonly<Record<string, string | null>> | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(map ?? {}).map(([k, v]) => [k, v ?? '']));
}
