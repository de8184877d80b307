/** `swarmts client-cert create`: writes ca.pem, cert.pem and key.pem, as `docker --tlsverify` wants them. */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { optional, text } from '../../args/flag.js';
import { parsePositiveDuration } from '../../args/quantity.js';
import { defineCommand, exactly } from '../../command.js';
import { CommandError } from '../../exit.js';

const ROLES = ['admin', 'readonly'];
const PRIVATE_FILE = 0o600;
const PUBLIC_FILE = 0o644;

export const command = defineCommand({
  synopsis: 'NAME',
  flags: {
    role: text('What the client may do', { choices: ROLES, defaultText: 'required: "admin" or "readonly"' }),
    out: text('Folder of the files (default "NAME")', { short: 'o' }),
    expiry: optional('duration', 'How long it lasts (default 8760h)', parsePositiveDuration),
  },
  arity: exactly(1),
  async run(ctx, f, [name = '']) {
    if (!ROLES.includes(f.role)) throw new CommandError(`give --role ${ROLES.join(' or ')}, not "${f.role}"`);
    const folder = f.out === '' ? name : f.out;
    const paths = ['ca.pem', 'cert.pem', 'key.pem'].map((file) => join(folder, file));
    const taken = paths.find((p) => existsSync(p));
    if (taken !== undefined) throw new CommandError(`${taken} exists: choose another folder with --out`);
    const answer = await ctx.api.post<{ readonly CA: string; readonly Certificate: string; readonly Key: string }>(
      '/swarmts/v1/client-certificates',
      { Name: name, Role: f.role, ...(f.expiry === undefined ? {} : { Expiry: f.expiry }) },
    );
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const [ca = '', cert = '', key = ''] = paths;
    await writeFile(key, answer.Key, { mode: PRIVATE_FILE, flag: 'wx' });
    await writeFile(cert, answer.Certificate, { mode: PUBLIC_FILE, flag: 'wx' });
    await writeFile(ca, answer.CA, { mode: PUBLIC_FILE, flag: 'wx' });
    ctx.out.write(
      `Wrote ca.pem, cert.pem and key.pem to ${folder}. A client uses them so:\n\n` +
        `    DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=${folder} docker -H tcp://NODE:2376 info\n`,
    );
  },
});
