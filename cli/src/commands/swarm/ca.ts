/** `swarmts swarm ca`: the certificate of the swarm's root, and going over to a new one. */
import { bool, type FlagValues, optional, text } from '../../args/flag.js';
import { parsePositiveDuration } from '../../args/quantity.js';
import { defineCommand, noArguments } from '../../command.js';
import type { Context } from '../../context.js';
import type { Node, Swarm } from '../../engine-types.js';
import { CommandError } from '../../exit.js';
import { ProgressDisplay } from '../../service/progress-display.js';
import { externalCaFlag, readPem } from './external-ca.js';

const POLL_MS = 200;

const flags = {
  'ca-cert': text('Path to the PEM-formatted root CA certificate to use for the new cluster'),
  'ca-key': text('Path to the PEM-formatted root CA key to use for the new cluster'),
  'cert-expiry': optional('duration', 'Validity period for node certificates (ns|us|ms|s|m|h)', parsePositiveDuration, {
    defaultText: '2160h0m0s',
  }),
  'external-ca': externalCaFlag,
  detach: bool('Exit immediately instead of waiting for the root rotation to converge', { short: 'd' }),
  quiet: bool('Suppress progress output', { short: 'q' }),
  rotate: bool('Rotate the swarm CA - if no certificate or key are provided, new ones will be generated'),
};

export const command = defineCommand({
  synopsis: '',
  flags,
  arity: noArguments,
  async run(ctx, f, _args, given) {
    const swarm = await ctx.api.get<Swarm>('/swarm');
    if (!f.rotate) {
      const other = ['ca-cert', 'ca-key', 'cert-expiry', 'external-ca'].find((name) => given.has(name));
      if (other) throw new CommandError(`\`--${other}\` flag requires the \`--rotate\` flag to update the CA`);
      return print(ctx, swarm);
    }
    await ctx.api.post(
      '/swarm/update',
      { ...swarm.Spec, CAConfig: { ...swarm.Spec.CAConfig, ...changeOf(swarm, f) } },
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

/** What is to be another in the settings of the CA. */
function changeOf(swarm: Swarm, f: FlagValues<typeof flags>) {
  const external = f['external-ca'];
  if (external.length > 0 && f['ca-cert'] === '')
    throw new CommandError(
      "rotating to an external CA requires the `--ca-cert` flag to specify the external CA's cert - to add an external CA with the current root CA certificate, use the `update` command instead",
    );
  if (f['ca-cert'] !== '' && external.length === 0 && f['ca-key'] === '')
    throw new CommandError(
      'the --ca-cert flag requires that a --ca-key flag and/or --external-ca flag be provided as well',
    );
  const cert = f['ca-cert'] === '' ? '' : readPem(f['ca-cert'], 'the CA certificate');
  const key = f['ca-key'] === '' ? '' : readPem(f['ca-key'], 'the key of the CA');
  return {
    ...(f['cert-expiry'] === undefined ? {} : { NodeCertExpiry: f['cert-expiry'] }),
    ...(external.length === 0 ? {} : { ExternalCAs: external.map((e) => ({ ...e, CACert: e.CACert || cert })) }),
    // A number other than the last one asks for a root of the managers' own making.
    ...(cert === '' && key === '' ? { ForceRotate: (swarm.Spec.CAConfig?.ForceRotate ?? 0) + 1 } : {}),
    ...(cert === '' ? {} : { SigningCACert: cert }),
    ...(key === '' ? {} : { SigningCAKey: key }),
  };
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
