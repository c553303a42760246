/* decode.ts - foreign JSON, one value at a time: what is not of the wanted type is the zero value. */

export type Json = Readonly<Record<string, unknown>>;

export function asObject(value: unknown): Json {
    return typeof value === 'object' && value !== null && !Array.isArray(value)
        ? (value as Json)
        : {};
}

export function asArray(value: unknown): readonly unknown[] {
    return Array.isArray(value) ? value : [];
}

export function asText(value: unknown): string {
    return typeof value === 'string' ? value : '';
}

/** Counts: a number, or decimal text where the sender thought of 64 bits; absent is 0. */
export function asCount(value: unknown): number {
    if (typeof value === 'number') return Number.isFinite(value) ? value : 0;
    if (typeof value === 'string' && /^\d{1,20}$/.test(value)) return Number(value);
    return 0;
}

export function asTexts(value: unknown): string[] {
    return asArray(value).filter((item): item is string => typeof item === 'string');
}
