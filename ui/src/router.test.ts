// @vitest-environment node
import { expect, test, vi } from 'vitest';

vi.stubGlobal('location', { pathname: '/', search: '' });
vi.stubGlobal('addEventListener', () => undefined);
const { cleanTraceId, parseRoute, traceAddress } = await import('./router');

test.each([
    ['/', 'search'], ['/search?service=a', 'search'], ['/search/', 'search'], ['/trace/abc', 'trace'],
    ['/trace/', 'unknown'], ['/trace/a/b', 'unknown'], ['/other', 'unknown'],
])('%s is the page %s', (address, page) => {
    expect(parseRoute(address).page).toBe(page);
});

test('whatever is in the path is a trace id, even broken escapes', () => {
    expect(parseRoute('/trace/%3Cb%3E?span=x')).toMatchObject({ traceId: '<b>' });
    expect(parseRoute('/trace/%E0%A4%A')).toMatchObject({ traceId: '%E0%A4%A' });
    expect(traceAddress('../x', 'a&b')).toBe('/trace/..%2Fx?span=a%26b');
});

test('an address names a trace as the search box may: in upper case, with dashes, short', () => {
    const traceId = '1974d5b215984d8f366d878d73898516';
    expect(parseRoute(`/trace/${traceId.toUpperCase()}`)).toMatchObject({ traceId });
    expect(parseRoute('/trace/1974d5b2-1598-4d8f-366d-878d73898516')).toMatchObject({ traceId });
    expect(parseRoute('/trace/abc')).toMatchObject({ traceId: '0'.repeat(29) + 'abc' });
});

test.each([
    ['  1974D5B215984D8F366D878D73898516\n', '1974d5b215984d8f366d878d73898516'],
    ['0x366d878d73898516', '0000000000000000366d878d73898516'],
    ['1974d5b2-1598-4d8f-366d-878d73898516', '1974d5b215984d8f366d878d73898516'],
    ['', null], ['xyz', null], ['0'.repeat(32), null], ['a'.repeat(33), null],
])('pasted trace id: %s', (text, id) => {
    expect(cleanTraceId(text)).toBe(id);
});
