import { expect, test } from 'vitest';
import { instantFromMicros, microsOf, nanosBetween, parseInstant, toRfc3339 } from './instant';

test('a time of OTLP keeps every nanosecond', () => {
    const at = parseInstant('1788220800307351905');
    expect(at).toEqual({ sec: 1788220800, nano: 307351905 });
    expect(toRfc3339(at)).toBe('2026-09-01T00:00:00.307351905Z');
});

test.each([
    ['not digits', '12x'], ['negative', '-5'], ['nothing', ''], ['no text', undefined],
    ['an object', {}], ['not a number', NaN], ['21 digits', '1'.repeat(21)],
])('nonsense is no time: %s', (_why, value) => {
    expect(parseInstant(value)).toEqual({ sec: 0, nano: 0 });
});

test('the largest time of 64 bits is read', () => {
    expect(parseInstant('18446744073709551615')).toEqual({ sec: 18446744073, nano: 709551615 });
});

test('differences are exact across the second', () => {
    const from = parseInstant('1788220800999999999');
    expect(nanosBetween(from, parseInstant('1788220801000000001'))).toBe(2);
});

test('microseconds of a permalink come back', () => {
    expect(microsOf(instantFromMicros(1788220800307351))).toBe(1788220800307351);
});
