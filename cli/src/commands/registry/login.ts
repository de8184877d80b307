/** `swarmts login`: tries credentials on a registry and keeps them in Docker's configuration file. */
import { bool, text } from '../../args/flag.js';
import { between, defineCommand } from '../../command.js';
import { readLine } from '../../confirm.js';
import type { Context } from '../../context.js';
import { CommandError } from '../../exit.js';
import { findCredentials, HUB, storeCredentials } from '../../http/docker-config.js';
import { readSecret } from '../../secret-prompt.js';

interface LoginAnswer {
  readonly Status?: string;
  readonly IdentityToken?: string;
}

export const command = defineCommand({
  synopsis: '[SERVER]',
  flags: {
    password: text('Password', { short: 'p' }),
    'password-stdin': bool('Take the password from stdin'),
    username: text('Username', { short: 'u' }),
  },
  arity: between(0, 1),
  async run(ctx, f, [server = '']) {
    const registry = registryName(server);
    if (f.password !== '' && f['password-stdin']) {
      throw new CommandError('--password and --password-stdin are mutually exclusive');
    }
    if (f['password-stdin'] && f.username === '')
      throw new CommandError('Must provide --username with --password-stdin');
    if (f.password !== '') {
      ctx.err.write('WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n');
    }
    const given = f['password-stdin'] ? (await readLine(ctx)).replace(/\r$/, '') : f.password;
    const known = f.username === '' && given === '' ? findCredentials(ctx.env, registry) : undefined;
    const auth = known ?? (await ask(ctx, f.username, given, registry));
    const answer = await ctx.api.post<LoginAnswer>('/auth', auth);
    const identity = answer.IdentityToken ? { identitytoken: answer.IdentityToken } : {};
    const file = storeCredentials(ctx.env, { ...auth, ...identity, serveraddress: registry });
    if (file !== undefined) {
      ctx.err.write(
        `WARNING! Your password will be stored unencrypted in ${file}.\nConfigure a credential helper (credsStore) to remove this warning.\n`,
      );
    }
    ctx.out.write(`${answer.Status ?? 'Login Succeeded'}\n`);
  },
});

export function registryName(server: string): string {
  const host = server.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
  return ['', 'docker.io', 'index.docker.io', 'registry-1.docker.io'].includes(host) ? HUB : host;
}

async function ask(ctx: Context, username: string, password: string, registry: string) {
  const missing = username === '' || password === '';
  if (missing && !ctx.stdinIsTerminal) {
    throw new CommandError(
      'Cannot perform an interactive login from a non TTY device: use --username and --password-stdin',
    );
  }
  let user = username;
  if (user === '') {
    ctx.out.write('Username: ');
    user = (await readLine(ctx)).trim();
    if (user === '') throw new CommandError('Error: Non-null Username Required');
  }
  let secret = password;
  if (secret === '') {
    secret = await readSecret(ctx, 'Password: ');
    if (secret === '') throw new CommandError('Error: Password Required');
  }
  return { username: user, password: secret, serveraddress: registry };
}
