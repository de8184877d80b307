/** What of a container the options of its log driver want to see beside every line: labels and variables by name or pattern. Pure. */

export interface LoggedContainer {
  readonly labels: Readonly<Record<string, string>>;
  /** "KEY=value" */
  readonly env: readonly string[];
  readonly options: Readonly<Record<string, string>>;
}

export function logAttributes({ labels, env, options }: LoggedContainer): readonly (readonly [string, string])[] {
  const variables = env.map((e): [string, string] => {
    const at = e.indexOf('=');
    return at < 0 ? [e, ''] : [e.slice(0, at), e.slice(at + 1)];
  });
  return [
    ...chosen(Object.entries(labels), options.labels, options['labels-regex']),
    ...chosen(variables, options.env, options['env-regex']),
  ];
}

function chosen(all: readonly [string, string][], list = '', pattern = ''): readonly [string, string][] {
  if (list === '' && pattern === '') return [];
  const names = list.split(',');
  const regex = pattern === '' ? undefined : new RegExp(pattern);
  return all.filter(([k]) => names.includes(k) || regex?.test(k));
}
