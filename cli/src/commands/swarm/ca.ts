/** `swarmts swarm ca`: the certificate of the swarm's root, and going over to a new one. */
import { readFileSync } from 'node:fs';
import { bool, optional, text } from '../../args/flag.js';
import { parsePositiveDuration } from '../../args/quantity.js';
import { defineCommand, noArguments } from '../../command.js';
import type { Context } from '../../context.js';
import type { Node, Swarm } from '../../engine-types.js';
import { CommandError, errorText } from '../../exit.js';
import { ProgressDisplay } from '../../service/progress-display.js';

const POLL_MS = 200;

export const command = defineCommand({
  synopsis: '',
  flags: {
    'ca-cert': text('Path to the PEM-formatted root CA certificate to use for the new cluster'),
    'ca-key': text('Path to the PEM-formatted root CA key to use for the new cluster'),
    'cert-expiry': optional(
      'duration',
      'Validity period for node certificates (ns|us|ms|s|m|h)',
      parsePositiveDuration,
      {
        defaultText: '2160h0m0s',
      },
    ),
    detach: bool('Exit immediately instead of waiting for the root rotation to converge', { short: 'd' }),
    quiet: bool('Suppress progress output', { short: 'q' }),
    rotate: bool('Rotate the swarm CA - if no certificate or key are provided, new ones will be generated'),
  },
  arity: noArguments,
  async run(ctx, f, _args, given) {
    const swarm = await ctx.api.get<Swarm>('/swarm');
    if (!f.rotate) {
      const other = ['ca-cert', 'ca-key', 'cert-expiry'].find((name) => given.has(name));
      if (other) throw new CommandError(`\`--${other}\` flag requires the \`--rotate\` flag to update the CA`);
      return print(ctx, swarm);
    }
    const ca = swarm.Spec.CAConfig;
    await ctx.api.post(
      '/swarm/update',
      {
        ...swarm.Spec,
        CAConfig: {
          ...ca,
          ForceRotate: (ca?.ForceRotate ?? 0) + 1,
          ...(f['cert-expiry'] === undefined ? {} : { NodeCertExpiry: f['cert-expiry'] }),
          ...(f['ca-cert'] === '' ? {} : { SigningCACert: read(f['ca-cert']) }),
          ...(f['ca-key'] === '' ? {} : { SigningCAKey: read(f['ca-key']) }),
        },
      },
      { version: swarm.Version?.Index ?? 0 },
    );
    if (f.detach) return;
    await untilRotated(ctx, f.quiet);
    if (!ctx.interrupt().aborted) print(ctx, await ctx.api.get<Swarm>('/swarm'));
  },
});

function print(ctx: Context, swarm: Swarm): void {
  const root = swarm.TLSInfo?.TrustRoot;
  if (!root) throw new CommandError('No CA information available');
  ctx.out.write(root.endsWith('\n') ? root : `${root}\n`);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (e) {
    throw new CommandError(`open ${path}: ${errorText(e)}`);
  }
}

async function untilRotated(ctx: Context, quiet: boolean): Promise<void> {
  const interrupt = ctx.interrupt();
  const display = new ProgressDisplay(ctx.out);
  while (!interrupt.aborted) {
    const [swarm, nodes] = await Promise.all([ctx.api.get<Swarm>('/swarm'), ctx.api.get<Node[]>('/nodes')]);
    const wanted = swarm.TLSInfo?.CertIssuerPublicKey ?? '';
    const count = (fn: (n: Node) => boolean) => `${nodes.filter(fn).length}/${nodes.length} nodes`;
    // At the end they trust the new root alone.
    const trusts = (n: Node) => n.Description?.TLSInfo?.TrustRoot === swarm.TLSInfo?.TrustRoot;
    if (!quiet) {
      display.show([
        { id: 'rotated TLS certificates', text: count((n) => n.Description?.TLSInfo?.CertIssuerPublicKey === wanted) },
        { id: 'rotated CA certificates', text: count(trusts) },
      ]);
    }
    if (!swarm.RootRotationInProgress && nodes.every((n) => n.Status?.State === 'down' || trusts(n))) return;
    await ctx.sleep(POLL_MS, interrupt);
  }
}
