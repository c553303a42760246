/* duration.ts - lengths of time: shown with three digits that matter, read as Go writes them. */

const UNITS: ReadonlyArray<readonly [name: string, ns: number]> = [
    ['d', 86400e9],
    ['h', 3600e9],
    ['min', 60e9],
    ['s', 1e9],
    ['ms', 1e6],
    ['µs', 1e3],
    ['ns', 1],
];

/** 102847 -> "103µs", 1500000000 -> "1.5s", 90e9 -> "1min 30s". Negative lengths keep their sign. */
export function formatDuration(ns: number): string {
    if (ns < 0) return `-${formatDuration(-ns)}`;
    if (ns < 0.5) return '0';
    for (let i = 0; i < 3; i++) {
        const [name, size] = UNITS[i]!;
        if (ns >= size * 0.99999) {
            const [smallName, smallSize] = UNITS[i + 1]!;
            let whole = Math.floor(ns / size + 1e-5);
            let rest = Math.round((ns - whole * size) / smallSize);
            if (rest * smallSize >= size) {
                whole++;
                rest = 0;
            }
            if (i > 0 && whole * size >= UNITS[i - 1]![1]) return formatDuration(whole * size);
            return rest > 0 ? `${whole}${name} ${rest}${smallName}` : `${whole}${name}`;
        }
    }
    for (const [name, size] of UNITS.slice(3))
        if (ns >= size * 0.9995) return threeDigits(ns / size) + name;
    return `${Math.round(ns)}ns`;
}

function threeDigits(x: number): string {
    const digits = x >= 99.95 ? 0 : x >= 9.995 ? 1 : 2;
    return String(Number(x.toFixed(digits)));
}

const GO_UNITS: Readonly<Record<string, number>> = {
    ns: 1, us: 1e3, 'µs': 1e3, 'μs': 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9,
};

/** "1.5s", "300ms", "1m30s" in nanoseconds; null for anything else. */
export function parseGoDuration(text: string): number | null {
    const part = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/gy;
    let sum = 0;
    let end = 0;
    for (let found = part.exec(text); found; found = part.exec(text)) {
        sum += Number(found[1]) * GO_UNITS[found[2]!]!;
        end = part.lastIndex;
    }
    return end > 0 && end === text.length ? sum : null;
}

/** Round steps for a ruler over [from, to], 1, 2 or 5 times a power of ten below a minute, and parts
 *  of hours and days above: about `most` of them, and two at least, for one tick measures nothing. */
export function rulerTicks(from: number, to: number, most: number): number[] {
    const width = to - from;
    if (!(width > 0) || most < 1) return [from];
    const step = niceStep(width / most);
    const ticks = ticksOf(from, to, step);
    return ticks.length < 2 && step > 1 ? ticksOf(from, to, niceStep(step / FINER)) : ticks;
}

const FINER = 2.5; /* 10 becomes 5, 5 becomes 2, 2 becomes 1 */
const TICKS_MAX = 100; /* beyond 2^53 one more is the same number, and no end would come */

function ticksOf(from: number, to: number, step: number): number[] {
    const ticks: number[] = [];
    for (let i = Math.ceil(from / step); i * step <= to && ticks.length < TICKS_MAX; i++)
        ticks.push(i * step);
    return ticks;
}

const LONG_STEPS = [
    60e9, 120e9, 300e9, 600e9, 1800e9, 3600e9, 7200e9, 21600e9, 43200e9, 86400e9,
];

function niceStep(least: number): number {
    if (least > 50e9 && least <= 86400e9)
        for (const step of LONG_STEPS) if (step >= least) return step;
    const unit = least > 86400e9 ? 86400e9 : 1;
    const power = Math.pow(10, Math.floor(Math.log10(least / unit)));
    for (const times of [1, 2, 5, 10])
        if (times * power * unit >= least * (1 - 1e-9)) return Math.max(times * power * unit, 1);
    return 10 * power * unit;
}
