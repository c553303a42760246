/* router.ts - the address bar is the page's state: /search?… and /trace/{id}?…
 *
 * `navigate` adds a step to the history, `replace` does not (folding, selecting, typing). A step
 * remembers how far down its page was; going back, a page that has its content again asks for that
 * place. The browser's own way comes too early: the content is still on its way.
 */
import { createStore } from './parts/store';

export type Route =
    | { page: 'search'; params: URLSearchParams }
    | { page: 'trace'; traceId: string; params: URLSearchParams }
    | { page: 'unknown' };

const here = () => location.pathname + location.search;

export const address = createStore<string>(here());

let scrollWanted = 0;

addEventListener('popstate', (event) => {
    scrollWanted = placeIn(event.state);
    address.set(here());
});

function placeIn(state: unknown): number {
    return typeof state === 'object' && state !== null && 'scroll' in state ? Number(state.scroll) : 0;
}

export function navigate(to: string): void {
    scrollWanted = 0;
    if (to !== here()) {
        history.replaceState({ scroll: scrollY }, '');
        history.pushState(null, '', to);
    }
    address.set(here());
    scrollTo(0, 0);
}

export function replace(to: string): void {
    history.replaceState(history.state, '', to);
    address.set(here());
}

/** For a page whose content has come: back to where one was, once. */
export function restoreScroll(): void {
    if (scrollWanted > 0) scrollTo(0, scrollWanted);
    scrollWanted = 0;
}

export function parseRoute(addressText: string): Route {
    const [path = '/', query = ''] = splitOnce(addressText, '?');
    const params = new URLSearchParams(query);
    const clean = path.replace(/\/+$/, '') || '/';
    if (clean === '/' || clean === '/search') return { page: 'search', params };
    const found = /^\/trace\/([^/]+)$/.exec(clean);
    if (found) return { page: 'trace', traceId: decoded(found[1]!), params };
    return { page: 'unknown' };
}

function splitOnce(text: string, separator: string): string[] {
    const at = text.indexOf(separator);
    return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function decoded(text: string): string {
    try {
        return decodeURIComponent(text);
    } catch {
        return text;
    }
}

export function traceAddress(traceId: string, spanId = ''): string {
    const path = `/trace/${encodeURIComponent(traceId)}`;
    return spanId ? `${path}?span=${encodeURIComponent(spanId)}` : path;
}

/** A trace id as people paste it: hex, perhaps with spaces or dashes around and in it. */
export function cleanTraceId(text: string): string | null {
    const id = text.trim().toLowerCase().replace(/^0x/, '').replace(/-/g, '');
    return /^[0-9a-f]{1,32}$/.test(id) && !/^0+$/.test(id) ? id.padStart(32, '0') : null;
}

/** A left click without modifiers stays in the page; anything else is the browser's. */
export function isPlainClick(event: MouseEvent): boolean {
    return event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
}
