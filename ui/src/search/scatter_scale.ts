/* scatter_scale.ts - where the points of the scatter plot go; a logarithmic axis of durations when
 * they differ by more than a factor of thirty, because otherwise one slow trace flattens the rest. */
import { rulerTicks } from '../format/duration';

export interface Point {
    x: number;
    y: number;
}

export interface ScatterScale {
    points: Point[];
    ticks: { y: number; durationNs: number }[];
    fromMs: number;
    toMs: number;
}

const LOG_FROM_FACTOR = 30;
const TICKS_MAX = 4;

export function scatterScale(
    rows: ReadonlyArray<{ atMs: number; durationNs: number }>,
    size: { width: number; height: number },
): ScatterScale {
    const times = rows.map((row) => row.atMs);
    const lengths = rows.map((row) => Math.max(row.durationNs, 1));
    const fromMs = Math.min(...times);
    const toMs = Math.max(...times);
    const least = Math.min(...lengths);
    const most = Math.max(...lengths);
    const isLog = most / least > LOG_FROM_FACTOR;
    const low = isLog ? Math.log10(least) : 0;
    const high = isLog ? Math.log10(most) : most;
    const yOf = (ns: number) =>
        size.height * (1 - ((isLog ? Math.log10(ns) : ns) - low) / (high - low || 1));
    const tickLengths = isLog ? powersBetween(low, high) : rulerTicks(0, most, TICKS_MAX);
    return {
        fromMs,
        toMs,
        points: rows.map((row, i) => ({
            x: toMs > fromMs ? ((row.atMs - fromMs) / (toMs - fromMs)) * size.width : size.width / 2,
            y: yOf(lengths[i]!),
        })),
        ticks: tickLengths.map((durationNs) => ({ durationNs, y: yOf(durationNs) })),
    };
}

function powersBetween(low: number, high: number): number[] {
    const step = Math.max(1, Math.ceil((high - low) / TICKS_MAX));
    const powers: number[] = [];
    for (let power = Math.ceil(low); power <= high; power += step) powers.push(10 ** power);
    return powers;
}
