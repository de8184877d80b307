/** The external CAs of a cluster's spec. */
import { SwarmtsError } from '@swarmts/lib';
import { ExternalCa } from '@swarmts/proto';
import type { JsonObject } from '../json/object.js';
import { omitEmpty } from '../json/write.js';

/** The only one, in Docker too. */
const PROTOCOL = 'cfssl';

/** Throws SwarmtsError 'invalid-argument' for another protocol. */
export function readExternalCas(caConfig: JsonObject): readonly ExternalCa[] {
  return caConfig.objects('ExternalCAs').map((o) => {
    const protocol = o.string('Protocol');
    if (protocol.toLowerCase() !== PROTOCOL)
      throw new SwarmtsError('invalid-argument', `invalid protocol: "${protocol}" of an external CA: use ${PROTOCOL}`);
    const caCert = Buffer.from(o.string('CACert'));
    return ExternalCa.create({ url: o.string('URL'), options: o.map('Options'), caCert });
  });
}

export function externalCaJson(c: ExternalCa): Record<string, unknown> {
  const CACert = Buffer.from(c.caCert).toString();
  return { Protocol: PROTOCOL, URL: c.url, ...omitEmpty({ Options: c.options }), CACert };
}
