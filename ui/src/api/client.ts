/* client.ts - one GET and everything that can go wrong with it.
 *
 *     get(path) --> bytes, counted as they come --> JSON --> the caller's decoder
 *
 * The body is read in pieces so that a long answer can show how far it is and be cancelled.
 * Not here: what the answers mean (services.ts, summaries.ts, otlp.ts).
 */
import { asArray, asObject, asText } from './decode';
import { noteNotice } from './notice';

/** What the reader can do about it: look elsewhere, mend the question, wait, or report it. */
export type FailureKind = 'not_found' | 'bad_request' | 'unreachable' | 'unavailable' | 'server'
    | 'too_large' | 'garbled' | 'page' | 'cancelled';

export class ApiFailure extends Error {
    constructor(
        readonly kind: FailureKind,
        message: string,
        readonly status = 0,
    ) {
        super(message);
    }
}

/** A page that holds the text, its parse and its layout at once needs several times this. */
export const ANSWER_BYTES_MAX = 400_000_000;

export interface GetOptions {
    signal?: AbortSignal;
    onProgress?: (receivedBytes: number) => void;
}

export async function getJson(path: string, options: GetOptions = {}): Promise<unknown> {
    const response = await ask(path, options.signal);
    noteNotice(questionOf(path), response.headers.get('x-kiseki-notice'), response.status);
    const text = await readBody(response, options);
    if (!response.ok) throw failureFrom(response.status, text);
    try {
        return JSON.parse(text) as unknown;
    } catch {
        throw new ApiFailure('garbled', 'The server’s answer is not JSON.', response.status);
    }
}

/** "/api/v3/traces/0af7?x=1" -> "/api/v3/traces" */
function questionOf(path: string): string {
    return path.split('?', 1)[0]!.split('/', 4).join('/');
}

async function ask(path: string, signal: AbortSignal | undefined): Promise<Response> {
    try {
        return await fetch(path, {
            headers: { Accept: 'application/json' },
            credentials: 'same-origin',
            signal: signal ?? null,
        });
    } catch (error) {
        throw rethrown(error);
    }
}

async function readBody(response: Response, options: GetOptions): Promise<string> {
    if (!response.body) return '';
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    const parts: string[] = [];
    let received = 0;
    try {
        for (;;) {
            const { done, value } = await reader.read();
            if (done) break;
            received += value.byteLength;
            if (received > ANSWER_BYTES_MAX) {
                void reader.cancel();
                throw new ApiFailure('too_large', 'The answer is too large for a page to hold.');
            }
            parts.push(decoder.decode(value, { stream: true }));
            options.onProgress?.(received);
        }
    } catch (error) {
        throw rethrown(error);
    }
    parts.push(decoder.decode());
    return parts.join('');
}

function rethrown(error: unknown): unknown {
    if (error instanceof ApiFailure || isAbort(error)) return error;
    return new ApiFailure('unreachable', 'The server does not answer.');
}

export function isAbort(error: unknown): boolean {
    return error instanceof DOMException && error.name === 'AbortError';
}

function failureFrom(status: number, body: string): ApiFailure {
    const message = messageIn(body) || `The server answered ${status}.`;
    if (status === 404) return new ApiFailure('not_found', message, status);
    if (status === 503 || status === 429 || status === 502 || status === 504)
        return new ApiFailure('unavailable', message, status);
    if (status >= 400 && status < 500) return new ApiFailure('bad_request', message, status);
    return new ApiFailure('server', message, status);
}

const MESSAGE_CHARS_MAX = 500;

/** v3 says {"error":{"message"}}, v1 says {"errors":[{"msg"}]}; anything else is shown when short. */
function messageIn(body: string): string {
    try {
        const answer = asObject(JSON.parse(body));
        const text = asText(asObject(answer.error).message) || asText(answer.message) ||
            asText(asObject(asArray(answer.errors)[0]).msg);
        return text.slice(0, MESSAGE_CHARS_MAX);
    } catch {
        const line = body.trim();
        return line.length <= 200 && !line.startsWith('<') ? line : '';
    }
}
