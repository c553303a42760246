import { expect, test } from 'vitest';
import { parseInstant } from './instant';
import { formatAgo, formatInstant, formatRange, formatShort, fromInputValue, toInputValue } from './time';

test('UTC is written with as many digits as wanted', () => {
    const at = parseInstant('1788220800307351905');
    expect(formatInstant(at, 'utc', 9)).toBe('2026-09-01 00:00:00.307351905');
    expect(formatInstant(at, 'utc', 3)).toBe('2026-09-01 00:00:00.307');
    expect(formatInstant(at, 'utc', 0)).toBe('2026-09-01 00:00:00');
});

test('times that no calendar has do not throw', () => {
    expect(formatInstant({ sec: 0, nano: 0 }, 'utc')).toBe('no time');
    expect(formatInstant({ sec: 9e12, nano: 0 }, 'utc')).toBe('beyond the calendar');
});

test('the time fields give back what they were given', () => {
    const ms = Date.UTC(2026, 8, 1, 12, 30, 15);
    for (const zone of ['utc', 'local'] as const)
        expect(fromInputValue(toInputValue(ms, zone), zone)).toBe(ms);
    expect(fromInputValue('tomorrow', 'utc')).toBeNull();
});

test.each([
    [500, 'just now'], [12_000, '12 s ago'], [185_000, '3 min ago'], [7_300_000, '2 h ago'],
    [200_000_000, '2 d ago'], [364 * 86400e3, '364 d ago'], [365 * 86400e3, '1 y ago'],
    [20787 * 86400e3, '57 y ago'], [-60_000, 'in the future'],
])('%d ms ago', (age, text) => {
    expect(formatAgo(2e12 - age, 2e12)).toBe(text);
});

test.each([
    ['today', '2026-09-01T10:00:00', '2026-09-01T11:30:00', '10:00:00 to 11:30:00'],
    ['another day', '2026-08-30T10:00:00', '2026-08-30T11:30:00', '2026-08-30 10:00:00 to 11:30:00'],
    ['into today', '2026-08-31T23:00:00', '2026-09-01T01:00:00',
        '2026-08-31 23:00:00 to 2026-09-01 01:00:00'],
])('a range within one day names it once: %s', (_why, from, to, text) => {
    const at = (time: string) => ({ sec: Date.parse(`${time}Z`) / 1000, nano: 0 });
    expect(formatRange(at(from), at(to), 'utc', Date.UTC(2026, 8, 1, 12))).toBe(text);
});

test('a short time leaves out today, and has digits where they are wanted', () => {
    const at = parseInstant('1788220800307351905');
    const noon = Date.UTC(2026, 8, 1, 12);
    expect(formatShort(at, 'utc', noon)).toBe('00:00:00');
    expect(formatShort(at, 'utc', noon, 3)).toBe('00:00:00.307');
    expect(formatShort(at, 'utc', noon + 86400e3, 3)).toBe('2026-09-01 00:00:00.307');
    expect(formatShort(parseInstant(''), 'utc', 0)).toBe('no time');
});
