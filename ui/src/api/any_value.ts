/* any_value.ts - OTLP's AnyValue as a type and a text.
 *
 * Values nest, and a hostile one nests without end: depth and items are bounded.
 */
import { asArray, asObject, asText } from './decode';

export type ValueType = 'string' | 'bool' | 'int' | 'double' | 'bytes' | 'array' | 'map' | 'empty';

export interface TypedText {
    type: ValueType;
    text: string;
}

const NESTING_MAX = 12;
const ITEMS_MAX = 1000;

export function formatAnyValue(value: unknown): TypedText {
    const type = typeOf(value);
    const inner = asObject(value);
    switch (type) {
        case 'string':
            return { type, text: asText(inner.stringValue) };
        case 'bytes':
            return { type, text: asText(inner.bytesValue) };
        case 'array':
        case 'map':
            return { type, text: nestedText(value, 0) };
        default:
            return { type, text: scalarText(value) };
    }
}

function typeOf(value: unknown): ValueType {
    const v = asObject(value);
    if (v.stringValue !== undefined) return 'string';
    if (v.boolValue !== undefined) return 'bool';
    if (v.intValue !== undefined) return 'int';
    if (v.doubleValue !== undefined) return 'double';
    if (v.bytesValue !== undefined) return 'bytes';
    if (v.arrayValue !== undefined) return 'array';
    if (v.kvlistValue !== undefined) return 'map';
    return 'empty';
}

function scalarText(value: unknown): string {
    const v = asObject(value);
    const scalar = v.boolValue ?? v.intValue ?? v.doubleValue;
    return scalar === undefined || typeof scalar === 'object' ? '' : String(scalar);
}

/** JSON-like, two spaces a level, on one line where it is short. */
function nestedText(value: unknown, depth: number): string {
    const type = typeOf(value);
    if (type !== 'array' && type !== 'map') {
        const { text } = formatAnyValue(value);
        return type === 'string' || type === 'bytes' ? JSON.stringify(text) : text || 'null';
    }
    if (depth >= NESTING_MAX) return '…';
    const v = asObject(value);
    const all = asArray(asObject(type === 'array' ? v.arrayValue : v.kvlistValue).values);
    const items = all.slice(0, ITEMS_MAX).map((item) => {
        if (type === 'array') return nestedText(item, depth + 1);
        const pair = asObject(item);
        return `${JSON.stringify(asText(pair.key))}: ${nestedText(pair.value, depth + 1)}`;
    });
    if (all.length > ITEMS_MAX) items.push(`… ${all.length - ITEMS_MAX} more`);
    const [open, close] = type === 'array' ? ['[', ']'] : ['{', '}'];
    const line = `${open}${items.join(', ')}${close}`;
    if (line.length <= 72 && !line.includes('\n')) return line;
    const indent = '  '.repeat(depth + 1);
    return `${open}\n${indent}${items.join(`,\n${indent}`)}\n${'  '.repeat(depth)}${close}`;
}
