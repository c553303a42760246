import { expect, test } from 'vitest';
import { formatDuration, parseGoDuration, rulerTicks } from './duration';

test.each([
    [0, '0'], [1, '1ns'], [999, '999ns'], [1000, '1µs'], [102847, '103µs'], [1_234_000, '1.23ms'],
    [12_340_000, '12.3ms'], [999_999_999, '1s'], [1_500_000_000, '1.5s'], [59_940_000_000, '59.9s'],
    [60e9, '1min'], [90e9, '1min 30s'], [59.9999e9, '1min'], [3600e9, '1h'], [3599.9e9, '1h'],
    [7384e9, '2h 3min'], [86400e9, '1d'], [100 * 86400e9, '100d'], [-1000, '-1µs'],
])('%d ns is written %s', (ns, text) => {
    expect(formatDuration(ns)).toBe(text);
});

test.each([
    ['1.5s', 1.5e9], ['300ms', 3e8], ['100us', 1e5], ['100µs', 1e5], ['1m30s', 90e9], ['2h', 7200e9],
    ['.5s', 5e8],
])('Go duration %s', (text, ns) => {
    expect(parseGoDuration(text)).toBeCloseTo(ns, 3);
});

test.each(['', '5', 's', '1.5', '1 s', '-1s', '1sx', '1d'])('no Go duration: "%s"', (text) => {
    expect(parseGoDuration(text)).toBeNull();
});

test('ticks are round, inside, and not too many', () => {
    for (const [from, to] of [[0, 184e6], [3, 17], [1e9, 1e9 + 250], [0, 1], [0, 4e18], [5e9, 3e11]]) {
        const ticks = rulerTicks(from!, to!, 6);
        expect(ticks.length).toBeGreaterThan(0);
        expect(ticks.length).toBeLessThanOrEqual(7);
        for (const tick of ticks) {
            expect(tick).toBeGreaterThanOrEqual(from!);
            expect(tick).toBeLessThanOrEqual(to!);
        }
    }
    expect(rulerTicks(0, 184e6, 4)).toEqual([0, 50e6, 100e6, 150e6]);
    expect(rulerTicks(5, 5, 4)).toEqual([5]);
});

test('a ruler has two ticks where there is room for few', () => {
    expect(rulerTicks(0, 4.45e6, 2)).toEqual([0, 2e6, 4e6]);
    expect(rulerTicks(3.1e6, 7.3e6, 2)).toEqual([4e6, 6e6]);
    expect(rulerTicks(0, 1.9e9, 2)).toEqual([0, 1e9]);
    expect(rulerTicks(0, 9e9, 2)).toEqual([0, 5e9]);
    expect(rulerTicks(1e18, 1e18 + 256, 2).length).toBeLessThanOrEqual(100);
});
