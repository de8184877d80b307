import assert from 'node:assert/strict';
import type { ImageConfig } from '../images/image-api.js';
import { applyChanges } from './changes.js';
import { applyConfigInstruction, variablesOf, workingDir } from './config-instructions.js';
import { parseInstruction } from './dockerfile.js';

function apply(config: ImageConfig, ...lines: string[]) {
  let state = { config, author: '', cmdSet: false };
  let comment = '';
  for (const line of lines) {
    const context = { variables: variablesOf(state.config), escapeChar: '\\' };
    ({ state, comment } = applyConfigInstruction(parseInstruction(line), state, context));
  }
  return { ...state, comment };
}

describe('instructions that change the configuration', () => {
  for (const [line, config, comment] of [
    ['ENV A=b C="d e"', { Env: ['A=b', 'C=d e'] }, 'ENV A=b C=d e'],
    ['ENV A the rest', { Env: ['A=the rest'] }, 'ENV A=the rest'],
    ['LABEL a=1 "b c"="d"', { Labels: { a: '1', 'b c': 'd' } }, 'LABEL a=1 b c=d'],
    ['CMD ["a", "b"]', { Cmd: ['a', 'b'] }, 'CMD ["a" "b"]'],
    ['CMD a b', { Cmd: ['/bin/sh', '-c', 'a b'] }, 'CMD ["/bin/sh" "-c" "a b"]'],
    ['ENTRYPOINT ["x"]', { Entrypoint: ['x'] }, 'ENTRYPOINT ["x"]'],
    [
      'EXPOSE 80 53/udp 8000-8001',
      { ExposedPorts: { '80/tcp': {}, '53/udp': {}, '8000/tcp': {}, '8001/tcp': {} } },
      'EXPOSE 53/udp 80 8000-8001',
    ],
    ['VOLUME /a /b', { Volumes: { '/a': {}, '/b': {} } }, 'VOLUME [/a /b]'],
    ['VOLUME ["/a b"]', { Volumes: { '/a b': {} } }, 'VOLUME [/a b]'],
    ['USER alice:staff', { User: 'alice:staff' }, 'USER alice:staff'],
    ['WORKDIR /tmp/', { WorkingDir: '/tmp/' }, 'WORKDIR /tmp/'],
    ['WORKDIR x/../y', { WorkingDir: '/y' }, 'WORKDIR /y'],
    ['STOPSIGNAL SIGINT', { StopSignal: 'SIGINT' }, 'STOPSIGNAL SIGINT'],
    ['SHELL ["/bin/bash", "-c"]', { Shell: ['/bin/bash', '-c'] }, 'SHELL [/bin/bash -c]'],
    ['ONBUILD RUN x', { OnBuild: ['RUN x'] }, 'ONBUILD RUN x'],
    ['HEALTHCHECK NONE', { Healthcheck: { Test: ['NONE'] } }, 'HEALTHCHECK NONE'],
    [
      'HEALTHCHECK --interval=1m30s --timeout=500ms --retries=2 CMD test -f /ok',
      { Healthcheck: { Test: ['CMD-SHELL', 'test -f /ok'], Interval: 90e9, Timeout: 5e8, Retries: 2 } },
      'HEALTHCHECK {"Test":["CMD-SHELL","test -f /ok"],"Interval":90000000000,"Timeout":500000000,"Retries":2}',
    ],
  ] as const) {
    it(line, () => {
      const done = apply({}, line);
      assert.deepEqual([done.config, done.comment], [config, comment]);
    });
  }

  it('replace variables by what is set before, and variables of the same name', () => {
    const base = { Env: ['A=1', 'PATH=/bin'] };
    assert.deepEqual(apply(base, 'ENV A=2 B=$A', 'ENV PATH=$PATH:/x').config.Env, ['A=2', 'PATH=/bin:/x', 'B=1']);
    const several = apply({ Env: ['P=  99   100 '] }, 'EXPOSE 8080 $P').config.ExposedPorts;
    assert.deepEqual(Object.keys(several ?? {}), ['100/tcp', '8080/tcp', '99/tcp']);
    assert.equal(apply({ Env: ['D=/srv'], WorkingDir: '/base' }, 'WORKDIR $D/x').config.WorkingDir, '/srv/x');
    assert.equal(workingDir('/a', '../..'), '/');
  });

  it('drop an inherited command with a new entrypoint, and keep an own one', () => {
    assert.equal(apply({ Cmd: ['old'] }, 'ENTRYPOINT ["e"]').config.Cmd, undefined);
    assert.deepEqual(apply({ Cmd: ['old'] }, 'CMD ["new"]', 'ENTRYPOINT ["e"]').config.Cmd, ['new']);
    assert.deepEqual(apply({ Shell: ['/bin/ash', '-e'] }, 'CMD x').config.Cmd, ['/bin/ash', '-e', 'x']);
  });

  for (const [line, message] of [
    ['EXPOSE nope', /Invalid containerPort: nope/],
    ['EXPOSE 80/icmp', /invalid proto: icmp/],
    ['EXPOSE 70000', /Invalid containerPort/],
    ['STOPSIGNAL NOPE', /signal/i],
    ['SHELL /bin/sh', /SHELL requires the arguments to be in JSON form/],
    ['ONBUILD ONBUILD RUN x', /Chaining ONBUILD/],
    ['ONBUILD FROM x', /FROM isn't allowed as an ONBUILD trigger/],
    ['HEALTHCHECK RUN x', /Unknown type "RUN" in HEALTHCHECK/],
    ['HEALTHCHECK CMD', /Missing command after HEALTHCHECK CMD/],
    ['HEALTHCHECK --interval=soon CMD x', /--interval: .*invalid duration .*soon/],
    ['HEALTHCHECK --interval=1us CMD x', /cannot be less than 1ms/],
    ['ENV =x', /names can not be blank/],
  ] as const) {
    it(`refuse ${line}`, () => {
      assert.throws(() => apply({}, line), message);
    });
  }

  it('are what --change takes, and nothing else', () => {
    assert.deepEqual(applyChanges({ Env: ['A=1'] }, ['ENV B=$A', '', 'CMD ["x"]']), {
      Env: ['A=1', 'B=1'],
      Cmd: ['x'],
    });
    assert.throws(() => applyChanges({}, ['RUN x']), /run is not a valid change command/);
    assert.throws(() => applyChanges({}, ['EXPOSE x']), /EXPOSE x: Invalid containerPort: x/);
  });
});
