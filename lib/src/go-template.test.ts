import assert from 'node:assert/strict';
import fc from 'fast-check';
import { compileTemplate, type MissingField } from './go-template.js';

const compiled = (source: string, missing: MissingField = 'error') =>
  compileTemplate(source, { missing, functions: {} });

const data = {
  Name: 'web',
  Count: 3,
  Empty: [],
  List: ['a', 'b'],
  Labels: { 'com.example.x': '1', b: '2' },
  Inner: { Deep: { Value: true } },
  Label: (name: unknown) => `label ${String(name)}`,
};
const cases: readonly (readonly [string, string])[] = [
  ['{{.Name}} {{.Count}}', 'web 3'],
  ['{{.Inner.Deep.Value}}', 'true'],
  ['{{range .List}}<{{.}}>{{end}}', '<a><b>'],
  ['{{range $i, $v := .List}}{{$i}}={{$v}} {{end}}', '0=a 1=b '],
  ['{{range $k, $v := .Labels}}{{$k}}:{{$v}};{{end}}', 'b:2;com.example.x:1;'],
  ['{{range .Empty}}x{{else}}none{{end}}', 'none'],
  ['{{if .Empty}}yes{{else if eq .Name "web"}}web{{else}}no{{end}}', 'web'],
  ['{{with .Inner.Deep}}{{.Value}}{{end}}', 'true'],
  ['{{index .Labels "com.example.x"}}|{{index .Labels "none"}}', '1|'],
  ['{{index .List 1}}', 'b'],
  ['{{len .List}} {{len .Name}}', '2 3'],
  ['{{println .Name}}', 'web\n'],
  ['{{printf "%-5s|%03d|%q" .Name .Count .Name}}', 'web  |003|"web"'],
  ['{{.Labels}} {{.List}}', 'map[b:2 com.example.x:1] [a b]'],
  ['a {{- .Name -}} b', 'awebb'],
  ['{{/* nothing */}}x', 'x'],
  ['{{$n := .Name}}{{range .List}}{{$n}}{{.}} {{end}}', 'weba webb '],
  ['{{if and .Name (not .Empty)}}ok{{end}}', 'ok'],
  ['{{.Label "k"}}', 'label k'],
  ['{{"}}"}}', '}}'],
];

describe('Go templates', () => {
  it("calls functions of its own kind, in place of Go's too", () => {
    const functions = { twice: (v: unknown) => `${v}${v}`, len: () => 'short' };
    assert.equal(
      compileTemplate('{{.Name | twice}} {{len .Name}}', { missing: 'error', functions })(data),
      'webweb short',
    );
  });

  for (const [source, expected] of cases) {
    it(`evaluates ${source}`, () => assert.equal(compiled(source)(data), expected));
  }

  it('refuses unknown fields of rows and shows <no value> for objects', () => {
    assert.throws(() => compiled('{{.Nope}}')(data), /can't evaluate field Nope/);
    assert.equal(compiled('{{.Nope.More}}', 'no-value')(data), '<no value>');
  });

  it('does not reach into prototypes', () => {
    assert.throws(() => compiled('{{.constructor}}')(data), /can't evaluate field/);
  });

  it('names what is wrong with a template', () => {
    for (const [source, why] of [
      ['{{.Name', /unclosed action/],
      ['{{if .Name}}x', /unexpected EOF/],
      ['{{end}}', /unexpected \{\{end\}\}/],
      ['{{nope .}}', /function "nope" not defined/],
      ['{{}}', /missing value/],
      ['{{$x}}', /undefined variable/],
    ] as const) {
      assert.throws(() => compiled(source)(data), why, source);
    }
  });

  it('refuses widths that would fill the memory', () => {
    assert.throws(() => compiled('{{printf "%1000001d" .Count}}')(data), /a width is at most 1000000/);
    assert.equal(compiled('{{printf "%.999f" .Count}}')(data).length, '3.'.length + 100);
  });

  it('leaves text without actions as it is', () => {
    const plain = fc.string().filter((s) => !s.includes('{{') && !s.includes('\\'));
    fc.assert(fc.property(plain, (s) => compiled(s)({}) === s));
  });

  it('ends with a message of its own for any text', () => {
    const pieces = fc.array(fc.constantFrom('{{', '}}', 'if ', '.A', 'end', '"', '|', '(', ')', '$x', ':=', ' ', '-'));
    fc.assert(
      fc.property(pieces, (parts) => {
        try {
          compiled(parts.join(''), 'no-value')({ A: 1 });
          return true;
        } catch (e) {
          return e instanceof Error && e.name === 'SwarmtsError';
        }
      }),
    );
  });
});
