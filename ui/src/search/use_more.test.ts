import { expect, test } from 'vitest';
import { decodeSummaries } from '../api/summaries';
import { joinPages } from './use_more';

const page = (...ids: string[]) => ({
    rows: decodeSummaries({ summaries: ids.map((id) => ({ traceId: id, spanCount: ids.length })) }),
    next: '',
});

test('a trace that is on two pages is listed once, where it was first', () => {
    const rows = joinPages([page('a', 'b'), page('b', 'c', 'd'), page()]);
    expect(rows.map((row) => row.traceId)).toEqual(['a', 'b', 'c', 'd']);
    expect(rows[1]!.spanCount).toBe(2);
});
