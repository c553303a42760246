import { expect, test } from 'vitest';
import { assignColors, COLOR_COUNT, colorIndexOf, RING } from './color';

test('eighteen services have eighteen colours, the first nine of them bright', () => {
    const names = Array.from({ length: COLOR_COUNT }, (_, i) => `service-${i}`);
    assignColors(names.slice(0, RING));
    const bright = names.slice(0, RING).map(colorIndexOf);
    expect(Math.max(...bright)).toBeLessThan(RING);
    expect(new Set(names.map(colorIndexOf)).size).toBe(COLOR_COUNT);
    expect(names.slice(0, RING).map(colorIndexOf)).toEqual(bright);
    const next = colorIndexOf('one too many');
    expect(next).toBeGreaterThanOrEqual(0);
    expect(next).toBeLessThan(COLOR_COUNT);
});
