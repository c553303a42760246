import { afterEach, expect, test, vi } from 'vitest';
import { ApiFailure, getJson } from './client';

afterEach(() => vi.unstubAllGlobals());

async function failureOf(status: number, body: string): Promise<ApiFailure> {
    vi.stubGlobal('fetch', () => Promise.resolve(new Response(body, { status })));
    const outcome = await getJson('/api/v3/services').catch((error: unknown) => error);
    if (!(outcome instanceof ApiFailure)) throw new Error(`want a failure, got ${String(outcome)}`);
    return outcome;
}

test.each([
    ['v3', 404, '{"error":{"httpCode":404,"message":"No traces found"}}', 'not_found', 'No traces found'],
    ['v1', 400, '{"data":null,"errors":[{"code":400,"msg":"no service"}]}', 'bad_request', 'no service'],
    ['bare', 500, '{"message":"the disk broke"}', 'server', 'the disk broke'],
    ['plain text', 503, 'opening the store\n', 'unavailable', 'opening the store'],
    ['markup of a proxy', 502, '<html>Bad Gateway</html>', 'unavailable', 'The server answered 502.'],
    ['null', 500, 'null', 'server', 'The server answered 500.'],
    ['wrong types', 500, '{"error":7,"errors":"x","message":{}}', 'server', 'The server answered 500.'],
    ['nothing', 429, '', 'unavailable', 'The server answered 429.'],
    ['a novel', 400, `{"message":"${'x'.repeat(9000)}"}`, 'bad_request', 'x'.repeat(500)],
])('the words of the server are taken from %s', async (_form, status, body, kind, message) => {
    expect(await failureOf(status, body)).toMatchObject({ kind, message, status });
});

test('an answer that is no JSON is unreadable, and silence is no answer', async () => {
    expect(await failureOf(200, '<html>')).toMatchObject({ kind: 'garbled' });
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('refused')));
    await expect(getJson('/api/v3/services')).rejects.toMatchObject({ kind: 'unreachable' });
});
