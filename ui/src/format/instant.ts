/* instant.ts - points in time with nanoseconds.
 *
 * A double holds whole numbers up to 2^53; nanoseconds since 1970 passed that in April 1970. So an
 * instant is two numbers, and only differences, which are small, become one number of nanoseconds.
 * A difference is exact up to 104 days; beyond that it is off by less than one part in 10^15.
 */

export interface Instant {
    readonly sec: number;
    readonly nano: number;
}

export const EPOCH: Instant = { sec: 0, nano: 0 };

/** Reads OTLP's nanoseconds: decimal text, or a number from a careless sender. Nonsense is EPOCH. */
export function parseInstant(value: unknown): Instant {
    if (typeof value === 'string' && /^\d{1,20}$/.test(value)) {
        if (value.length <= 9) return { sec: 0, nano: Number(value) };
        const cut = value.length - 9;
        return { sec: Number(value.slice(0, cut)), nano: Number(value.slice(cut)) };
    }
    if (typeof value === 'number' && Number.isFinite(value) && value > 0)
        return { sec: Math.floor(value / 1e9), nano: Math.floor(value % 1e9) };
    return EPOCH;
}

export function instantFromMillis(ms: number): Instant {
    const sec = Math.floor(ms / 1000);
    return { sec, nano: Math.round((ms - sec * 1000) * 1e6) };
}

export function instantFromMicros(us: number): Instant {
    const sec = Math.floor(us / 1e6);
    return { sec, nano: Math.round(us - sec * 1e6) * 1000 };
}

export function millisOf(at: Instant): number {
    return at.sec * 1000 + at.nano / 1e6;
}

/** Whole microseconds since 1970: exact until the year 2255. */
export function microsOf(at: Instant): number {
    return at.sec * 1e6 + Math.floor(at.nano / 1000);
}

export function isEpoch(at: Instant): boolean {
    return at.sec === 0 && at.nano === 0;
}

export function nanosBetween(from: Instant, to: Instant): number {
    return (to.sec - from.sec) * 1e9 + (to.nano - from.nano);
}

export function compareInstants(a: Instant, b: Instant): number {
    return a.sec - b.sec || a.nano - b.nano;
}

/** RFC 3339 with nanoseconds, UTC, as /api/v3 takes it. */
export function toRfc3339(at: Instant): string {
    const seconds = new Date(at.sec * 1000).toISOString().slice(0, 19);
    return `${seconds}.${String(at.nano).padStart(9, '0')}Z`;
}
