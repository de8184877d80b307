/** A node as `node inspect --pretty` shows it. Pure. */
import type { Node } from '../engine-types.js';
import { prettyTime } from '../format/duration.js';
import { Pretty } from '../format/pretty.js';
import { binarySize } from '../format/size.js';

const capitalized = (s: string | undefined): string => (s ? s.charAt(0).toUpperCase() + s.slice(1) : '');

export function prettyNode(n: Node): string {
  const p = new Pretty();
  const d = n.Description;
  p.line('ID', n.ID);
  p.line('Name', n.Spec.Name);
  p.map('Labels', n.Spec.Labels);
  p.line('Hostname', d?.Hostname);
  p.line('Joined at', prettyTime(n.CreatedAt));
  p.heading('Status');
  p.line('State', capitalized(n.Status?.State), 1);
  p.line('Message', n.Status?.Message, 1);
  p.line('Availability', capitalized(n.Spec.Availability), 1);
  p.line('Address', n.Status?.Addr, 1);
  if (n.ManagerStatus) {
    p.heading('Manager Status');
    p.line('Address', n.ManagerStatus.Addr, 1);
    p.line('Raft Status', capitalized(n.ManagerStatus.Reachability), 1);
    p.line('Leader', n.ManagerStatus.Leader ? 'Yes' : 'No', 1);
  }
  p.heading('Platform');
  p.line('Operating System', d?.Platform?.OS, 1);
  p.line('Architecture', d?.Platform?.Architecture, 1);
  p.heading('Resources');
  p.line('CPUs', (d?.Resources?.NanoCPUs ?? 0) / 1e9, 1);
  p.line('Memory', binarySize(d?.Resources?.MemoryBytes ?? 0), 1);
  const plugins = d?.Engine?.Plugins ?? [];
  if (plugins.length > 0) p.heading('Plugins');
  for (const type of new Set(plugins.map((x) => x.Type ?? ''))) {
    p.line(type, plugins.flatMap((x) => ((x.Type ?? '') === type ? [x.Name] : [])).join(', '), 1);
  }
  p.line('Engine Version', d?.Engine?.EngineVersion);
  p.map('Engine Labels', d?.Engine?.Labels);
  if (d?.TLSInfo) {
    p.heading('TLS Info');
    p.line('TrustRoot', `\n${d.TLSInfo.TrustRoot ?? ''}`, 1);
    p.line('Issuer Subject', d.TLSInfo.CertIssuerSubject, 1);
    p.line('Issuer Public Key', d.TLSInfo.CertIssuerPublicKey, 1);
  }
  return p.text();
}
