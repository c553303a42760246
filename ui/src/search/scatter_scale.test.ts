import { expect, test } from 'vitest';
import { scatterScale } from './scatter_scale';

const size = { width: 100, height: 50 };

test('points stay inside, and longer is higher', () => {
    for (const factor of [2, 1e6]) {
        const { points, ticks } = scatterScale(
            [{ atMs: 0, durationNs: 1000 }, { atMs: 5, durationNs: 1000 * factor }, { atMs: 10, durationNs: 0 }],
            size,
        );
        for (const { x, y } of points) {
            expect(x).toBeGreaterThanOrEqual(0);
            expect(x).toBeLessThanOrEqual(100);
            expect(y).toBeGreaterThanOrEqual(-1e-9);
            expect(y).toBeLessThanOrEqual(50 + 1e-9);
        }
        expect(points[1]!.y).toBeLessThan(points[0]!.y);
        expect(ticks.length).toBeGreaterThan(0);
    }
});

test('traces that all start at once stand in the middle', () => {
    const { points } = scatterScale([{ atMs: 7, durationNs: 5 }, { atMs: 7, durationNs: 5 }], size);
    expect(points.every(({ x, y }) => x === 50 && Number.isFinite(y))).toBe(true);
});
