/* text.ts - foreign text made safe to look at.
 *
 * Everything in a span comes from somebody else's program. It is only ever put into text nodes, so
 * it cannot become markup; what is left are characters that mislead the eye: control characters
 * (terminal escapes, NUL) and those that turn the direction of writing or show nothing at all.
 * They are shown by name. Copying gives the original.
 */

/* C0 but tab and line feed, DEL, C1, zero-width and direction marks, line separators, tags, BOM */
const UNSEEN =
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

export function visibleText(text: string): string {
    return text.replace(UNSEEN, (c) => {
        const code = c.charCodeAt(0);
        if (code === 0x0d) return '';
        if (code < 0x20) return String.fromCharCode(0x2400 + code);
        return `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`;
    });
}

/** For one line: also line breaks become visible. */
export function visibleLine(text: string): string {
    return visibleText(text).replace(/\n/g, '␤').replace(/\t/g, ' ');
}

/** Cuts after `most` characters, never inside a pair. */
export function cutText(text: string, most: number): string {
    if (text.length <= most) return text;
    const high = text.charCodeAt(most - 1);
    return text.slice(0, high >= 0xd800 && high <= 0xdbff ? most - 1 : most);
}

const TITLE_CHARS_MAX = 2000; /* a name may have 64 KiB */

/** For a title attribute: what its element may have no room for. */
export function titleText(text: string): string {
    return visibleText(cutText(text, TITLE_CHARS_MAX));
}

/** The address, if the whole text is one that may become a link: http or https, nothing else. */
export function webAddress(text: string): string | null {
    if (text.length > 2048 || !/^https?:\/\/[^\s]+$/i.test(text)) return null;
    if (visibleText(text) !== text) return null;
    try {
        const url = new URL(text);
        return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : null;
    } catch {
        return null;
    }
}

const numbers = new Intl.NumberFormat('en-US');

export function formatCount(n: number): string {
    return numbers.format(n);
}

/** "1 span", "2 spans", "1,204 spans" */
export function counted(n: number, one: string, many = `${one}s`): string {
    return `${formatCount(n)} ${n === 1 ? one : many}`;
}

export function formatBytes(n: number): string {
    if (n < 1000) return `${n} B`;
    if (n < 1e6) return `${(n / 1e3).toFixed(1)} kB`;
    return `${(n / 1e6).toFixed(1)} MB`;
}
