/** `--filter key=value` as the API wants it: {"key":{"value":true}}, the form that every API version understands. */
export function filterQuery(
  flags: readonly string[],
  more: Readonly<Record<string, readonly string[]>> = {},
): string | undefined {
  const all: Record<string, Record<string, true>> = {};
  const add = (key: string, value: string): void => {
    const values = all[key] ?? {};
    values[value] = true;
    all[key] = values;
  };
  for (const flag of flags) {
    const eq = flag.indexOf('=');
    add(flag.slice(0, eq).trim().toLowerCase(), flag.slice(eq + 1).trim());
  }
  for (const [key, values] of Object.entries(more)) for (const v of values) add(key, v);
  return Object.keys(all).length === 0 ? undefined : JSON.stringify(all);
}
