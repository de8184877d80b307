/** `--external-ca`: where an external CA is, as protocol=cfssl,url=URL[,cacert=FILE]. The messages are Docker's. */
import { list } from '../../args/flag.js';
import type { ExternalCA } from '../../engine-types.js';
import { CommandError } from '../../exit.js';
import { readNamedFile } from '../../read-file.js';
import { csvFields } from '../../service/mount.js';

const PROTOCOL = 'cfssl';

export const externalCaFlag = list(
  'external-ca',
  'Specifications of one or more certificate signing endpoints',
  parseExternalCa,
);

export function parseExternalCa(text: string): ExternalCA {
  const given: { Protocol?: string; URL?: string; CACert?: string } = {};
  const options: Record<string, string> = {};
  for (const field of csvFields(text)) {
    const eq = field.indexOf('=');
    if (eq < 0) throw new Error(`invalid field '${field}' must be a key=value pair`);
    const [key, value] = [field.slice(0, eq), field.slice(eq + 1)];
    switch (key.toLowerCase()) {
      case 'protocol':
        if (value.toLowerCase() !== PROTOCOL) throw new Error(`unrecognized external CA protocol ${value}`);
        given.Protocol = PROTOCOL;
        break;
      case 'url':
        given.URL = value;
        break;
      case 'cacert':
        given.CACert = readPem(value, 'CA cert for external CA');
        break;
      default:
        options[key] = value;
    }
  }
  const { Protocol, URL, CACert } = given;
  if (Protocol === undefined) throw new Error('the external-ca option needs a protocol= parameter');
  if (URL === undefined) throw new Error('the external-ca option needs a url= parameter');
  return { Protocol, URL, Options: options, CACert: CACert ?? '' };
}

/** A file in PEM. Throws CommandError naming it. */
export function readPem(path: string, what: string): string {
  const text = readNamedFile(path, `unable to read ${what}: `).toString();
  if (!/-----BEGIN [A-Z0-9 ]+-----[\s\S]+-----END [A-Z0-9 ]+-----/.test(text))
    throw new CommandError(`${what} must be in PEM format: ${path}`);
  return text;
}
