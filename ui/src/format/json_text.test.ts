import { expect, test } from 'vitest';
import { indentJson } from './json_text';

test('a line an item, and nothing but white space changes', () => {
    const text = '{"id":9007199254740993, "a":[1,{"b":"x, {y}: \\"z\\""}],"id":1e400,"none":[], "o":{ }}';
    expect(indentJson(text)).toBe([
        '{',
        '  "id": 9007199254740993,',
        '  "a": [',
        '    1,',
        '    {',
        '      "b": "x, {y}: \\"z\\""',
        '    }',
        '  ],',
        '  "id": 1e400,',
        '  "none": [],',
        '  "o": {}',
        '}',
    ].join('\n'));
});

test.each([
    ['a text', 'hello'], ['a number', '12'], ['a quoted text', '"{}"'], ['nearly JSON', '{a: 1}'],
    ['cut short', '{"a": 1'], ['nothing', ''], ['too deep', '['.repeat(42) + ']'.repeat(42)],
    ['too long', `["${'x'.repeat(100_000)}"]`],
])('left as it is: %s', (_why, text) => {
    expect(indentJson(text)).toBeNull();
});
