import { expect, test } from 'vitest';
import {
    checkForm, EMPTY_FORM, formFromParams, formToParams, hasConditions, LIMIT_MAX, queryOf, rangeOf,
    withoutConditions,
} from './form';

const NOW = Date.UTC(2026, 8, 1);

test('a form goes through the address and comes back', () => {
    const form = {
        ...EMPTY_FORM, service: 'a & b', operation: 'GET /x?y=1', tags: 'k=v who="Jane \\"J\\" Doe"',
        minDuration: '1.5s', maxDuration: '2m', lookback: '6h', limit: '50',
    };
    const range = rangeOf(form, NOW);
    const back = formFromParams(new URLSearchParams(formToParams(form, range).toString()));
    expect(back.form).toMatchObject({ ...form, startMs: NOW - 6 * 3600e3, endMs: NOW });
    expect(back.range).toEqual(range);
    expect(formToParams(back.form, back.range!).toString()).toBe(formToParams(form, range).toString());
});

test('a fresh visit names no times', () => {
    const { form, range } = formFromParams(new URLSearchParams());
    expect(range).toBeNull();
    expect(form).toEqual(EMPTY_FORM);
});

test('links of Jaeger’s page are understood', () => {
    const params = new URLSearchParams(
        'service=s&lookback=1h&start=1788220800000000&end=1788224400000000&limit=20&tag=a:b:c&maxDuration&minDuration',
    );
    const { form, range } = formFromParams(params);
    expect(form).toMatchObject({ service: 's', tags: 'a=b:c', lookback: '1h', minDuration: '' });
    expect(range?.start.sec).toBe(1788220800);
});

test('no condition of a link is lost: a key with a blank, a value that is no text', () => {
    const { form } = formFromParams(new URLSearchParams({ tags: '{"my key":"v","code":500,"error":true}' }));
    expect(checkForm(form)).toEqual({});
    expect(queryOf(form, rangeOf(form, NOW)).attributes).toEqual({ 'my key': 'v', code: '500', error: 'true' });
});

test('nonsense in the address is not asked', () => {
    const { form, range } = formFromParams(new URLSearchParams(
        'tags=%7Bbroken&limit=-1&start=x&end=y&minDuration=soon&lookback=1y'));
    expect(range).toBeNull();
    expect(Object.keys(checkForm(form)).sort()).toEqual(['limit', 'minDuration', 'tags']);
});

test.each([
    ['all is well', {}, []],
    ['tags without =', { tags: 'oops' }, ['tags']],
    ['a duration without unit', { minDuration: '5' }, ['minDuration']],
    ['max below min', { minDuration: '2s', maxDuration: '1s' }, ['maxDuration']],
    ['no limit', { limit: '0' }, ['limit']],
    ['too high a limit', { limit: String(LIMIT_MAX + 1) }, ['limit']],
    ['half a limit', { limit: '1.5' }, ['limit']],
    ['from without to', { lookback: 'custom', startMs: 5 }, ['range']],
    ['from after to', { lookback: 'custom', startMs: 9, endMs: 5 }, ['range']],
])('the form says what is wrong: %s', (_why, part, keys) => {
    expect(Object.keys(checkForm({ ...EMPTY_FORM, ...part }))).toEqual(keys);
});

test('any time goes through the address and comes back', () => {
    const form = { ...EMPTY_FORM, lookback: 'all' };
    const range = rangeOf(form, NOW);
    expect(range.start).toEqual({ sec: 0, nano: 0 });
    const back = formFromParams(formToParams(form, range));
    expect(back).toMatchObject({ form: { lookback: 'all' }, range });
    expect(checkForm(back.form)).toEqual({});
});

test('conditions can be dropped, and then there are none', () => {
    const form = { ...EMPTY_FORM, service: 's', operation: 'o', tags: 'a=b', limit: '7', lookback: '6h' };
    expect(hasConditions(form)).toBe(true);
    expect(withoutConditions(form)).toEqual({ ...EMPTY_FORM, limit: '7', lookback: '6h' });
    expect(hasConditions(withoutConditions(form))).toBe(false);
});

test('an operation without a service is not asked', () => {
    const form = { ...EMPTY_FORM, operation: 'x' };
    expect(queryOf(form, rangeOf(form, NOW)).operation).toBe('');
});
