import assert from 'node:assert/strict';
import { compileTemplate } from './template.js';

const data = { Name: 'web', List: ['a', 'b'] };
const cases: readonly (readonly [string, string])[] = [
  ['{{json .List}}', '["a","b"]'],
  ['{{ .List | json }}', '["a","b"]'],
  ['{{upper .Name}} {{title .Name}} {{truncate .Name 2}} [{{pad .Name 1 2}}]', 'WEB Web we [ web  ]'],
  ['{{join .List ","}} {{split "a-b" "-"}}', 'a,b [a b]'],
  ['a\\tb\\n', 'a\tb\n'],
  ['{{(index .List 0) | upper}}', 'A'],
];

describe('templates of --format', () => {
  for (const [source, expected] of cases) {
    it(`evaluate ${source}`, () => assert.equal(compileTemplate(source, 'error')(data), expected));
  }
});
