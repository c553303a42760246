// @vitest-environment node
import { expect, test, vi } from 'vitest';

vi.stubGlobal('location', { pathname: '/', search: '' });
vi.stubGlobal('addEventListener', () => undefined);
const { cleanTraceId, parseRoute, placeOfPasted, traceAddress } = await import('./router');

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

const ID = '1974d5b215984d8f366d878d73898516';

test.each([
    ['an id', ` ${ID.toUpperCase()}\n`, `/trace/${ID}`],
    ['an id with dashes', '1974d5b2-1598-4d8f-366d-878d73898516', `/trace/${ID}`],
    ['an id of 64 bits', '0x366d878d73898516', '/trace/0000000000000000366d878d73898516'],
    ['the address of a page', `http://127.0.0.1:16686/trace/${ID}?span=00f067aa0ba902b7#x`,
        `/trace/${ID}?span=00f067aa0ba902b7`],
    ['of another host', `https://other.example/trace/${ID}`, `/trace/${ID}`],
    ['without http', `localhost:16686/trace/${ID}/?q=a+b&zoom=1-9`, `/trace/${ID}?q=a+b&zoom=1-9`],
    ['its path', `/trace/${ID}`, `/trace/${ID}`],
])('pasted, it leads to the trace: %s', (_why, text, to) => {
    expect(placeOfPasted(text)).toEqual({ to });
});

test.each([
    ['a part of an id', 'b7cca7a7', 'A trace id has 32 digits, this one has 8'],
    ['two ids', ID + ID, 'A trace id has 32 digits, this one has 64'],
    ['a word', 'garbage!', '32 hexadecimal digits, please'],
    ['zeros', '0'.repeat(32), 'No trace has an id of zeros'],
    ['another page', 'http://127.0.0.1:16686/search?service=a', '32 hexadecimal digits, please'],
    ['an address of none', 'http://127.0.0.1:16686/trace/xyz', '32 hexadecimal digits, please'],
])('pasted, it is told what is wrong with %s', (_why, text, problem) => {
    expect(placeOfPasted(text)).toEqual({ problem });
});
