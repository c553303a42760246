/* json_text.ts - JSON inside a text value, a line an item. Only white space between tokens changes:
 * numbers of 64 bits, doubled keys and the order of keys stay as they were sent. */

const CHARS_MAX = 100_000;
const NESTING_MAX = 40; /* each level indents all lines below it */

/** null: not an object or array, or more than one would read. */
export function indentJson(text: string): string | null {
    if (text.length > CHARS_MAX || !/^\s*[[{]/.test(text) || !isJson(text)) return null;
    const tokens = text.match(/"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s"[\]{},:]+/g) ?? [];
    let out = '';
    let depth = 0;
    const newLine = () => `\n${'  '.repeat(depth)}`;
    for (let i = 0; i < tokens.length; i++) {
        const token = tokens[i]!;
        const isEmpty = '[{'.includes(token) && ']}'.includes(tokens[i + 1] ?? '');
        if (isEmpty) out += token + tokens[++i]!;
        else if ('[{'.includes(token)) {
            if (++depth > NESTING_MAX) return null;
            out += token + newLine();
        } else if (']}'.includes(token)) {
            depth--;
            out += newLine() + token;
        } else if (token === ',') out += token + newLine();
        else out += token === ':' ? ': ' : token;
    }
    return out;
}

function isJson(text: string): boolean {
    try {
        JSON.parse(text);
        return true;
    } catch {
        return false;
    }
}
