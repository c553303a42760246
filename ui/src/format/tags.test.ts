import { expect, test } from 'vitest';
import { formatTags, parseTags } from './tags';

test.each([
    ['', {}],
    ['  ', {}],
    ['a=b', { a: 'b' }],
    [' a=b   c.d="e f" ', { a: 'b', 'c.d': 'e f' }],
    ['a="say \\"hi\\" \\\\ there"', { a: 'say "hi" \\ there' }],
    ['a= b=""', { a: '', b: '' }],
    ['url=http://x/?y=z', { url: 'http://x/?y=z' }],
    ['"my key"=v', { 'my key': 'v' }],
    ['"a=b"=c "d\\"e"="f g"', { 'a=b': 'c', 'd"e': 'f g' }],
    ['""=v "\\\\"=', { '': 'v', '\\': '' }],
    ['a="two\nlines \\\\\n"', { a: 'two\nlines \\\n' }],
])('tags: %s', (text, tags) => {
    expect(parseTags(text)).toEqual({ tags, problem: '' });
    expect(parseTags(formatTags(tags)).tags).toEqual(tags);
});

test.each(['a', '=b', 'a="b', 'a=b"c"', 'a=b c', '"a"', '"a b=c', 'a"b"=c'])('no tags: %s', (text) => {
    expect(parseTags(text).problem).not.toBe('');
});

test('a key called __proto__ is a key', () => {
    const { tags } = parseTags('__proto__=x');
    expect(Object.keys(tags)).toEqual(['__proto__']);
    expect(JSON.stringify(tags)).toBe('{"__proto__":"x"}');
});
