/* tags.ts - tags as one writes them: `http.status_code=500 user="Jane Doe" error=true`, as logfmt has
 * it. A key may be quoted, too: what formatTags writes, parseTags reads, whatever a link has for keys. */

export type Tags = Record<string, string>;

export interface ParsedTags {
    tags: Tags;
    /** a plain sentence, empty when all is well */
    problem: string;
}

const QUOTED = /"((?:[^"\\]|\\[^])*)"/.source;
const PAIR = new RegExp(`\\s*(?:${QUOTED}|([^\\s="]+))=(?:${QUOTED}|([^\\s"]*))(?=\\s|$)\\s*`, 'y');

export function parseTags(text: string): ParsedTags {
    const tags: Tags = {};
    PAIR.lastIndex = 0;
    let end = 0;
    while (end < text.length && text.slice(end).trim() !== '') {
        const found = PAIR.exec(text);
        if (!found)
            return { tags, problem: `Write tags as key=value: “${text.slice(end).trim()}” is not.` };
        /* Object.defineProperty, because a key may be called __proto__ */
        Object.defineProperty(tags, textOf(found[1], found[2]), {
            value: textOf(found[3], found[4]), enumerable: true, configurable: true, writable: true,
        });
        end = PAIR.lastIndex;
    }
    return { tags, problem: '' };
}

export function formatTags(tags: Readonly<Tags>): string {
    return Object.entries(tags)
        .map(([key, value]) => {
            const name = /^[^\s="]+$/.test(key) ? key : quoted(key);
            return `${name}=${/^[^\s"]*$/.test(value) ? value : quoted(value)}`;
        })
        .join(' ');
}

function textOf(inQuotes: string | undefined, bare: string | undefined): string {
    return inQuotes !== undefined ? inQuotes.replace(/\\([^])/g, '$1') : bare ?? '';
}

function quoted(text: string): string {
    return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}
