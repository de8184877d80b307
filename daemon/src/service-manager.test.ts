import assert from 'node:assert/strict';
import { createLogger } from '@swarmts/lib';
import { tellServiceManager } from './service-manager.js';

describe('the notice to the service manager', () => {
  /** What is sent, each with its socket, through a helper that reaches the sockets of `known`. */
  const bedOf = (socket: string, known: readonly string[] = [socket]) => {
    const sent: string[] = [];
    const lines: string[] = [];
    const open = new Set<number>();
    const helper = {
      openInput: async (path: string, kind?: string) => {
        if (!known.includes(path)) throw new Error('No such file or directory');
        assert.equal(kind, 'datagram');
        open.add(7);
        return 7;
      },
      writeInput: async (input: number, bytes: Uint8Array) => {
        assert.ok(open.has(input));
        sent.push(Buffer.from(bytes).toString());
      },
      closeInput: async (input: number) => void open.delete(input),
    };
    const log = createLogger({ level: 'info', write: (line) => void lines.push(line) });
    return { options: { helper, socket, log }, sent, lines, open };
  };

  it('is one message to the socket that it gave, which is closed again', async () => {
    const { options, sent, open } = bedOf('/run/systemd/notify');
    await tellServiceManager('READY=1', options);
    assert.deepEqual(sent, ['READY=1']);
    assert.equal(open.size, 0);
  });

  it('is not sent where there is none', async () => {
    const { options, sent, lines } = bedOf('');
    await tellServiceManager('READY=1', options);
    assert.deepEqual([sent, lines], [[], []]);
  });

  it('is given up with a warning where nobody listens', async () => {
    const { options, sent, lines } = bedOf('/run/systemd/notify', []);
    await tellServiceManager('READY=1', options);
    assert.deepEqual(sent, []);
    assert.match(lines.join(), /level=warn.*could not be told.*No such file or directory/);
  });
});
