/** `swarmts build`: sends a context to the daemon and shows what it builds. */
import { writeFileSync } from 'node:fs';
import { bool, list, optional, optionalInt, text, texts } from '../../args/flag.js';
import { parseBytes, parseSwapBytes } from '../../args/quantity.js';
import { defineCommand, exactly } from '../../command.js';
import { securityOption } from '../../container/run-body.js';
import { CommandError } from '../../exit.js';
import { registryConfig } from '../../http/registry-auth.js';
import { type BuildContext, folderContext, stdinContext } from '../../image/build-context.js';
import { showProgress } from '../../image/progress.js';
import { parseUlimit } from '../../service/flag-values.js';

const bytes = (help: string, short?: string) => optional('bytes', help, parseBytes, short ? { short } : {});

export const command = defineCommand({
  synopsis: 'PATH | -',
  flags: {
    'add-host': texts('Add a custom host-to-IP mapping ("host:ip")'),
    'build-arg': texts('Set build-time variables'),
    'cache-from': texts('Images to consider as cache sources'),
    'cgroup-parent': text('Set the parent cgroup for the RUN instructions during build'),
    'cpu-period': optionalInt('Limit the CPU CFS (Completely Fair Scheduler) period'),
    'cpu-quota': optionalInt('Limit the CPU CFS (Completely Fair Scheduler) quota'),
    'cpu-shares': optionalInt('CPU shares (relative weight)', { short: 'c' }),
    'cpuset-cpus': text('CPUs in which to allow execution (0-3, 0,1)'),
    'cpuset-mems': text('MEMs in which to allow execution (0-3, 0,1)'),
    file: text('Name of the Dockerfile (default "PATH/Dockerfile")', { short: 'f' }),
    'force-rm': bool('Always remove intermediate containers'),
    iidfile: text('Write the image ID to the file'),
    label: texts('Set metadata for an image'),
    memory: bytes('Memory limit', 'm'),
    'memory-swap': optional(
      'bytes',
      'Swap limit equal to memory plus swap: -1 to enable unlimited swap',
      parseSwapBytes,
    ),
    network: text('Set the networking mode for the RUN instructions during build', { initial: 'default' }),
    'no-cache': bool('Do not use cache when building the image'),
    platform: text('Set platform if server is multi-platform capable'),
    pull: bool('Always attempt to pull a newer version of the image'),
    quiet: bool('Suppress the build output and print image ID on success', { short: 'q' }),
    rm: bool('Remove intermediate containers after a successful build', { initial: true }),
    'security-opt': texts('Security options'),
    'shm-size': bytes('Size of "/dev/shm"'),
    tag: texts('Name and optionally a tag (format: "name:tag")', { short: 't' }),
    target: text('Set the target build stage to build'),
    ulimit: list('ulimit', 'Ulimit options', parseUlimit),
  },
  arity: exactly(1),
  async run(ctx, f, [where = '']) {
    if (/^(https?|git|ssh):\/\/|^git@/.test(where)) {
      throw new CommandError(
        `a build context at an address is not supported: fetch ${where} first and name its folder`,
      );
    }
    if (where === '-' && f.file === '-')
      throw new CommandError("invalid argument: can't use stdin for both build context and dockerfile");
    const context: BuildContext =
      where === '-' ? await stdinContext(ctx.stdin(), f.file) : await folderContext(where, f.file, () => ctx.stdin());
    const fields: Record<string, string | undefined> = {
      dockerfile: context.dockerfile,
      buildargs: JSON.stringify(Object.fromEntries(f['build-arg'].map((a) => pair(a, ctx.env)))),
      labels: JSON.stringify(Object.fromEntries(f.label.map((l) => pair(l, {})))),
      cachefrom: listText(f['cache-from']),
      cgroupparent: f['cgroup-parent'] || undefined,
      cpuperiod: numberText(f['cpu-period']),
      cpuquota: numberText(f['cpu-quota']),
      cpushares: numberText(f['cpu-shares']),
      cpusetcpus: f['cpuset-cpus'] || undefined,
      cpusetmems: f['cpuset-mems'] || undefined,
      forcerm: f['force-rm'] ? '1' : undefined,
      memory: numberText(f.memory),
      memswap: numberText(f['memory-swap']),
      networkmode: f.network,
      nocache: f['no-cache'] ? '1' : undefined,
      platform: f.platform || undefined,
      pull: f.pull ? '1' : undefined,
      q: f.quiet ? '1' : undefined,
      rm: f.rm ? '1' : '0',
      shmsize: numberText(f['shm-size']),
      target: f.target || undefined,
      ulimits: listText(f.ulimit),
    };
    const query = new URLSearchParams();
    for (const [k, v] of Object.entries(fields)) if (v !== undefined) query.set(k, v);
    const repeated = { t: f.tag, extrahosts: f['add-host'], securityopt: f['security-opt'].map(securityOption) };
    for (const [k, values] of Object.entries(repeated)) for (const v of values) query.append(k, v);
    const stream = await ctx.api.open('POST', `/build?${query}`, {
      stream: context.archive,
      headers: { 'Content-Type': 'application/x-tar', 'X-Registry-Config': registryConfig(ctx.env) },
    });
    let id = '';
    await showProgress(stream, ctx.out, false, (aux) => {
      id = imageId(aux) ?? id;
    });
    if (f.iidfile !== '') writeFileSync(f.iidfile, id);
  },
});

const numberText = (n: number | undefined) => (n === undefined ? undefined : String(n));
const listText = (list: readonly unknown[]) => (list.length > 0 ? JSON.stringify(list) : undefined);

/** "KEY=value"; a bare KEY takes its value from the environment, and is nothing when it has none. */
function pair(text: string, env: Readonly<Record<string, string | undefined>>): [string, string | null] {
  const at = text.indexOf('=');
  return at < 0
    ? [text, env[text] ?? (Object.keys(env).length === 0 ? '' : null)]
    : [text.slice(0, at), text.slice(at + 1)];
}

function imageId(aux: unknown): string | undefined {
  return typeof aux === 'object' && aux !== null && 'ID' in aux && typeof aux.ID === 'string' ? aux.ID : undefined;
}
