import { beforeEach, expect, test } from 'vitest';
import { forgetNotices, noteNotice, notices } from './notice';

beforeEach(forgetNotices);

test('a notice stands until the same question is answered without one', () => {
    noteNotice('/summaries', 'not complete', 200);
    noteNotice('/services', null, 200);
    expect(notices.get()).toEqual(['not complete']);
    noteNotice('/summaries', null, 200);
    expect(notices.get()).toEqual([]);
});

test('the same notice from two questions is shown once', () => {
    noteNotice('/summaries', 'disk%20%C3%BCber 95 %25', 200);
    noteNotice('/services', 'disk über 95 %', 200);
    expect(notices.get()).toEqual(['disk über 95 %']);
});

test('a 503 without words is a notice, and leaving the page ends all of them', () => {
    noteNotice('/summaries', null, 503);
    expect(notices.get().length).toBe(1);
    noteNotice('/services', 'x'.repeat(9000), 200);
    expect(notices.get().every((text) => text.length <= 500)).toBe(true);
    forgetNotices();
    expect(notices.get()).toEqual([]);
});
