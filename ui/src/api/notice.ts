/* notice.ts - what the server has to say to everyone: "the disk is nearly full", for instance.
 *
 * It comes in the header `x-kiseki-notice` of any answer, percent-encoded where it is not ASCII,
 * and goes when an answer comes without it. A 503 is a notice too.
 */
import { createStore } from '../parts/store';

export const notice = createStore<string>('');

const NOTICE_CHARS_MAX = 500;

export function noticeFrom(response: Response): void {
    const header = response.headers.get('x-kiseki-notice');
    if (header) notice.set(decodeNotice(header).slice(0, NOTICE_CHARS_MAX));
    else if (response.status === 503) notice.set('The server is busy or short of room (503).');
    else notice.set('');
}

function decodeNotice(text: string): string {
    try {
        return decodeURIComponent(text);
    } catch {
        return text;
    }
}
