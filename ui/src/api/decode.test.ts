import { expect, test } from 'vitest';
import { formatAnyValue } from './any_value';
import { decodeSpans, kindName } from './otlp';
import { decodeOperations, decodeServices } from './services';
import { decodeDetail } from './span_detail';
import { decodeSummaries, summariesPath } from './summaries';

const nonsense = [null, undefined, 7, 'text', [], {}, { result: 5 }, { result: { resourceSpans: {} } },
    { resourceSpans: [null, 3, { scopeSpans: [null, { spans: 'x' }] }] }, { summaries: 'no' },
    { services: [1, null] }, { operations: [null, { name: 5 }] }];

test.each(nonsense.map((value) => [JSON.stringify(value) ?? 'undefined', value]))(
    'an answer of nonsense is an empty answer: %s', (_text, value) => {
        expect(decodeSpans(value)).toEqual([]);
        expect(decodeSummaries(value)).toEqual([]);
        expect(decodeServices(value)).toEqual([]);
        expect(decodeOperations(value)).toEqual([]);
    },
);

test('a span of nonsense is a span', () => {
    const spans = decodeSpans({ result: { resourceSpans: [{ scopeSpans: [{ spans: [
        {}, { spanId: 5, attributes: 7, events: { a: 1 }, links: [null], status: 'bad', kind: -3 },
    ] }] }] } });
    expect(spans.length).toBe(2);
    expect(spans[0]!.resource.service).toBe('unknown_service');
    for (const span of spans) {
        expect(kindName(span.kind)).toBe('unspecified');
        expect(decodeDetail(span).attributes.items).toEqual([]);
    }
});

test.each([
    ['the first of two', ['shop', 'other'], 'shop'], ['an empty one', ['', 'other'], 'unknown_service'],
    ['none', [], 'unknown_service'],
])('the service is what the server takes it to be: %s', (_why, names, want) => {
    const attributes = names.map((name) => ({ key: 'service.name', value: { stringValue: name } }));
    const [span] = decodeSpans({ resourceSpans: [{ resource: { attributes }, scopeSpans: [{ spans: [{}] }] }] });
    expect(span!.resource.service).toBe(want);
});

test('ids, times and enums as OTLP/JSON has them, and as some write them', () => {
    const [a, b] = decodeSpans({ result: { resourceSpans: [{
        resource: { attributes: [{ key: 'service.name', value: { stringValue: 'shop' } }] },
        scopeSpans: [{ scope: { name: 's', version: '1' }, spans: [
            { spanId: 'B3B161B1F65B1D3D', parentSpanId: '0000000000000000', kind: 2,
                startTimeUnixNano: '1788220800307351905', endTimeUnixNano: '1788220800307453802',
                status: { code: 2 } },
            { spanId: 'aa', parentSpanId: 'bb', kind: 'SPAN_KIND_CLIENT',
                status: { code: 'STATUS_CODE_ERROR' } },
        ] }],
    }] } });
    expect(a).toMatchObject({ id: 'b3b161b1f65b1d3d', parentId: '', kind: 2, statusCode: 2 });
    expect(a!.resource.service).toBe('shop');
    expect(b).toMatchObject({ id: 'aa', parentId: 'bb', kind: 3, statusCode: 2 });
});

test.each([
    [{ stringValue: 'x' }, 'string', 'x'],
    [{ boolValue: false }, 'bool', 'false'],
    [{ intValue: '9007199254740993' }, 'int', '9007199254740993'],
    [{ doubleValue: 1.5 }, 'double', '1.5'],
    [{ doubleValue: 'NaN' }, 'double', 'NaN'],
    [{ bytesValue: 'a2lz' }, 'bytes', 'a2lz'],
    [{ arrayValue: { values: [{ intValue: '1' }, { stringValue: 'a"b' }, {}] } }, 'array', '[1, "a\\"b", null]'],
    [{ kvlistValue: { values: [{ key: 'k', value: { boolValue: true } }] } }, 'map', '{"k": true}'],
    [{ arrayValue: {} }, 'array', '[]'],
    [{}, 'empty', ''],
    [null, 'empty', ''],
    [{ intValue: { evil: 1 } }, 'int', ''],
])('a value keeps its type: %j', (value, type, text) => {
    expect(formatAnyValue(value)).toEqual({ type, text });
});

test('a value nested 10,000 deep is cut, not followed', () => {
    let value: unknown = { intValue: '1' };
    for (let i = 0; i < 10_000; i++) value = { arrayValue: { values: [value] } };
    expect(formatAnyValue(value).text).toContain('…');
});

test('rows of a search: absent numbers are zero, newest first', () => {
    const rows = decodeSummaries({ summaries: [
        { traceId: 'a'.repeat(32), minStartTimeUnixNano: '1000', maxEndTimeUnixNano: '5000' },
        { traceId: 'b'.repeat(32), minStartTimeUnixNano: '2000', maxEndTimeUnixNano: '1000',
            spanCount: '3', services: [{ name: 's', errorSpanCount: 1 }] },
        { noId: true },
    ] });
    expect(rows.map((row) => row.traceId[0])).toEqual(['b', 'a']);
    expect(rows[0]).toMatchObject({ spanCount: 3, durationNs: 0 });
    expect(rows[1]).toMatchObject({ spanCount: 0, errorCount: 0, orphanCount: 0, durationNs: 4000 });
});

test('a search sends what was filled in and nothing else', () => {
    const empty = { service: '', operation: '', attributes: {}, minDuration: '', maxDuration: '',
        start: { sec: 0, nano: 1 }, end: { sec: 60, nano: 0 }, limit: 20 };
    const bare = new URL(summariesPath(empty), 'http://x');
    expect([...bare.searchParams.keys()]).toEqual([
        'query.startTimeMin', 'query.startTimeMax', 'query.searchDepth']);
    expect(bare.searchParams.get('query.startTimeMin')).toBe('1970-01-01T00:00:00.000000001Z');
    const full = new URL(summariesPath({ ...empty, service: 'a&b', attributes: { 'x=y': '"' } }), 'http://x');
    expect(full.searchParams.get('query.serviceName')).toBe('a&b');
    expect(full.searchParams.get('query.attributes')).toBe('{"x=y":"\\""}');
});

test('operations are listed once, with every kind', () => {
    expect(decodeOperations({ operations: [
        { name: 'b', spanKind: 'server' }, { name: 'b', spanKind: 'client' }, { name: 'a' },
    ] })).toEqual([{ name: 'a', kind: 'internal' }, { name: 'b', kind: 'client, server' }]);
});
