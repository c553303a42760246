import { expect, test } from 'vitest';
import { barOf, clampView, formatView, panView, parseView, ticksFor, wholeView, zoomView } from './view';

const view = { fromNs: 100, toNs: 200 };

test.each([
    ['inside', 120, 30, { left: 20, width: 30, isOutside: false, labelSide: 'right' }],
    ['over both ends', 0, 500, { left: 0, width: 100, isOutside: false, labelSide: 'inside' }],
    ['before', 0, 50, { left: 0, width: 0, isOutside: true }],
    ['after', 300, 50, { left: 100, width: 0, isOutside: true }],
    ['a moment', 150, 0, { left: 50, width: 0, isOutside: false }],
    ['at the right end', 180, 20, { left: 80, width: 20, labelSide: 'left' }],
])('a bar %s', (_why, start, length, want) => {
    expect(barOf(start, length, view)).toMatchObject(want);
});

test('zoom and pan stay inside the trace', () => {
    expect(zoomView({ fromNs: 0, toNs: 1000 }, 0.5, 1000)).toEqual({ fromNs: 250, toNs: 750 });
    expect(zoomView({ fromNs: 250, toNs: 750 }, 4, 1000)).toEqual({ fromNs: 0, toNs: 1000 });
    expect(panView({ fromNs: 0, toNs: 500 }, -1, 1000)).toEqual({ fromNs: 0, toNs: 500 });
    expect(panView({ fromNs: 0, toNs: 500 }, 5, 1000)).toEqual({ fromNs: 500, toNs: 1000 });
    const narrow = clampView({ fromNs: 5, toNs: 5 }, 1000);
    expect(narrow.toNs).toBeGreaterThan(narrow.fromNs);
});

test('a trace of no length can be looked at', () => {
    expect(wholeView(0).toNs).toBeGreaterThan(0);
    expect(barOf(0, 0, wholeView(0)).left).toBe(0);
});

test('a zoom goes through the address', () => {
    expect(parseView(formatView(view), 1000)).toEqual(view);
    for (const bad of [null, '', 'x-y', '9-3', '5-5', '-5-9'])
        expect(parseView(bad, 1000)).toEqual({ fromNs: 0, toNs: 1000 });
});

test.each([
    ['wide', 700, ['0', '20ms', '40ms', '60ms', '80ms', '100ms']], ['narrow', 182, ['0', '100ms']],
    ['for one label', 50, ['0']], ['for none', 0, ['0']],
])('the ruler has as many ticks as have room: %s', (_why, widthPx, labels) => {
    expect(ticksFor({ fromNs: 0, toNs: 105e6 }, widthPx).map((tick) => tick.label)).toEqual(labels);
});
