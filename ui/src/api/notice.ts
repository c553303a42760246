/* notice.ts - what the server has to say beside its answers: "the disk is nearly full", "this answer
 * is not complete".
 *
 * It comes in the header `x-kiseki-notice`, percent-encoded where it is not ASCII; a 503 is a notice
 * too. A notice stands until the same question is answered without one, or the page is left: answers
 * to other questions do not take it away.
 */
import { createStore } from '../parts/store';

export const notices = createStore<readonly string[]>([]);

const NOTICE_CHARS_MAX = 500;

const byQuestion = new Map<string, string>();

/** `question` is the kind of request, not its parameters: "/api/v3/traces". */
export function noteNotice(question: string, header: string | null, status: number): void {
    if (header) byQuestion.set(question, decodeNotice(header).slice(0, NOTICE_CHARS_MAX));
    else if (status === 503) byQuestion.set(question, 'The server is busy or short of room (503).');
    else if (!byQuestion.delete(question)) return;
    publish();
}

export function forgetNotices(): void {
    if (byQuestion.size === 0) return;
    byQuestion.clear();
    publish();
}

function publish(): void {
    notices.set([...new Set(byQuestion.values())].sort());
}

function decodeNotice(text: string): string {
    try {
        return decodeURIComponent(text);
    } catch {
        return text;
    }
}
