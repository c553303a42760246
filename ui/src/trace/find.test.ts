import { expect, test } from 'vitest';
import { decodeSpans } from '../api/otlp';
import { createFinder, findIn, serviceTerm } from './find';
import { stepIn } from './use_find';

const spans = decodeSpans({ resourceSpans: [{
    resource: { attributes: [
        { key: 'service.name', value: { stringValue: 'Shop' } },
        { key: 'host.name', value: { stringValue: 'node-7' } },
    ] },
    scopeSpans: [{ scope: { name: 'lib.redis' }, spans: [
        { spanId: 'a1', name: 'GET /a.b', kind: 2, attributes: [{ key: 'user', value: { intValue: '42' } }] },
        { spanId: 'b2', name: 'SET (x', status: { code: 2, message: 'too late' },
            events: [{ name: 'retry', attributes: [{ key: 'n', value: { stringValue: 'third' } }] }] },
    ] }],
}] });

const found = (text: string) => {
    const rows: number[] = [];
    findIn(spans, createFinder(text), 0, spans.length, rows);
    return rows;
};

test.each([
    ['name', 'get', [0]], ['dots are dots', 'a.b', [0]], ['no pattern', 'a+b', []],
    ['a lone bracket', '(x', [1]], ['service, any case', 'SHOP', [0, 1]], ['key', 'user', [0]],
    ['value', '42', [0]], ['resource', 'node-7', [0, 1]], ['scope', 'redis', [0, 1]],
    ['status', 'too late', [1]], ['error', 'error', [1]], ['event', 'third', [1]], ['id', 'b2', [1]],
    ['kind', 'server', [0]], ['nothing', 'zzz', []],
])('found by %s', (_why, text, rows) => {
    expect(found(text)).toEqual(rows);
});

test.each([
    ['its service', 'service=Shop', [0, 1]], ['no part of it', 'service=Sho', []],
    ['no other case', 'service=shop', []], ['in quotes', 'service="Shop"', [0, 1]],
    ['a tag that no term is for', 'user=42', []], ['more than one', 'service=Shop user=42', []],
])('a service is found by its name alone: %s', (_why, text, rows) => {
    expect(found(text)).toEqual(rows);
});

test.each(['shop', 'my shop', ' a "b" \\ ', 'a=b', '', 'a\nb'])('the term of service %j finds it', (name) => {
    const [span] = spans;
    const finder = createFinder(serviceTerm(name).trim());
    expect(finder.matches({ ...span!, resource: { ...span!.resource, service: name } })).toBe(true);
    expect(finder.matches(span!)).toBe(false);
});

test('steps go round', () => {
    const matches = Int32Array.from([2, 5, 9]);
    expect(stepIn(matches, -1, 1)).toBe(2);
    expect(stepIn(matches, 5, 1)).toBe(9);
    expect(stepIn(matches, 9, 1)).toBe(2);
    expect(stepIn(matches, 2, -1)).toBe(9);
    expect(stepIn(matches, 6, -1)).toBe(5);
    expect(stepIn(new Int32Array(0), 3, 1)).toBe(-1);
});

test('a step that only rows not looked at yet can tell comes later', () => {
    const matches = Int32Array.from([2, 5]);
    expect(stepIn(matches, 2, 1, true)).toBe(5);
    expect(stepIn(matches, 5, 1, true)).toBe('later');
    expect(stepIn(matches, 4, -1, true)).toBe('later');
    expect(stepIn(new Int32Array(0), -1, 1, true)).toBe('later');
});
