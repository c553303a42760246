/* router.ts - the address bar is the page's state: /search?… and /trace/{id}?…
 *
 * `navigate` adds a step to the history, `replace` does not, nor does `note` (selecting, typing).
 * Links, Back and Forward are arrivals: the page takes its state from the address, all of it. What
 * a page writes about itself is none, so that it never comes back as news. A step remembers how far
 * down its page was; going back, a page that has its content again asks for that place. The
 * browser's own way comes too early: the content is still on its way.
 */
import { createStore } from './parts/store';

export type Route =
    | { page: 'search'; params: URLSearchParams }
    | { page: 'trace'; traceId: string; params: URLSearchParams }
    | { page: 'unknown' };

export interface Address {
    text: string;
    /** another number each time a link, Back or Forward led here */
    arrival: number;
}

const here = () => location.pathname + location.search;

export const address = createStore<Address>({ text: here(), arrival: 0 });

function arrive(): void {
    forget();
    address.set({ text: here(), arrival: address.get().arrival + 1 });
}

let scrollWanted = 0;

addEventListener('popstate', (event) => {
    if (here() === address.get().text) return; /* a place within the page: #main */
    scrollWanted = placeIn(event.state);
    arrive();
});

function placeIn(state: unknown): number {
    return typeof state === 'object' && state !== null && 'scroll' in state ? Number(state.scroll) : 0;
}

export function navigate(to: string): void {
    scrollWanted = 0;
    if (noted) replace(noted); /* the step that is left says how it was left */
    if (to !== here()) {
        history.replaceState({ scroll: scrollY }, '');
        history.pushState(null, '', to);
    }
    arrive();
    scrollTo(0, 0);
}

export function replace(to: string): void {
    forget();
    history.replaceState(history.state, '', to);
    address.set({ ...address.get(), text: here() });
}

const NOTE_AFTER_MS = 150; /* browsers refuse a history that changes too often */

let noted = '';
let timer: ReturnType<typeof setTimeout> | undefined;

/** Like `replace`, when nothing else is noted for a moment, or this step is left by a link. */
export function note(to: string): void {
    forget();
    if (to === here()) return;
    noted = to;
    timer = setTimeout(() => replace(to), NOTE_AFTER_MS);
}

function forget(): void {
    clearTimeout(timer);
    noted = '';
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
    if (found) {
        const id = decoded(found[1]!);
        return { page: 'trace', traceId: cleanTraceId(id) ?? id, params };
    }
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

/** A trace id as people paste it: hex, perhaps with spaces or dashes around and in it. Links of old
 * clients leave out leading zeros. */
export function cleanTraceId(text: string): string | null {
    const id = digitsIn(text);
    return /^[0-9a-f]{1,32}$/.test(id) && !/^0+$/.test(id) ? id.padStart(32, '0') : null;
}

/** Where what one pasted leads: a trace id of 32 digits, or 16; or the address of a trace's page, on
 * whatever host. No other number of digits is filled up: it is part of an id that we cannot know. */
export function placeOfPasted(text: string): { to: string } | { problem: string } {
    const at = /^(?:https?:\/\/)?[^\s/?#]*(\/trace\/[^#]*)/i.exec(text.trim());
    const route = parseRoute(at?.[1] ?? '');
    if (route.page === 'trace' && cleanTraceId(route.traceId)) {
        const query = route.params.toString();
        return { to: traceAddress(route.traceId) + (query ? `?${query}` : '') };
    }
    const digits = digitsIn(text);
    if (!/^[0-9a-f]+$/.test(digits)) return { problem: '32 hexadecimal digits, please' };
    if (digits.length !== 32 && digits.length !== 16)
        return { problem: `A trace id has 32 digits, this one has ${digits.length}` };
    const id = cleanTraceId(text);
    return id ? { to: traceAddress(id) } : { problem: 'No trace has an id of zeros' };
}

function digitsIn(text: string): string {
    return text.trim().toLowerCase().replace(/^0x/, '').replace(/-/g, '');
}

/** A left click without modifiers stays in the page; anything else is the browser's. */
export function isPlainClick(event: MouseEvent): boolean {
    return event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
}
