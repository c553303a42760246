/* tags.ts - the tags box: `http.status_code=500 user="Jane Doe" error=true`, as logfmt has it. */

export type Tags = Record<string, string>;

export interface ParsedTags {
    tags: Tags;
    /** a plain sentence, empty when all is well */
    problem: string;
}

const PAIR = /\s*([^\s="]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*))(?=\s|$)\s*/y;

export function parseTags(text: string): ParsedTags {
    const tags: Tags = {};
    PAIR.lastIndex = 0;
    let end = 0;
    while (end < text.length && text.slice(end).trim() !== '') {
        const found = PAIR.exec(text);
        if (!found)
            return { tags, problem: `Write tags as key=value: “${text.slice(end).trim()}” is not.` };
        /* Object.defineProperty, because a key may be called __proto__ */
        const value = found[2] !== undefined ? found[2].replace(/\\(.)/g, '$1') : found[3] ?? '';
        Object.defineProperty(tags, found[1]!, {
            value, enumerable: true, configurable: true, writable: true,
        });
        end = PAIR.lastIndex;
    }
    return { tags, problem: '' };
}

export function formatTags(tags: Readonly<Tags>): string {
    return Object.entries(tags)
        .map(([key, value]) =>
            /^[^\s"]*$/.test(value)
                ? `${key}=${value}`
                : `${key}="${value.replace(/[\\"]/g, '\\$&')}"`,
        )
        .join(' ');
}
