import { expect, test } from 'vitest';
import {
    foldAll, foldOneLevel, lastPlace, placeOf, reveal, toggleFold, unfoldAll, unfoldOneLevel, visibleRows,
} from './fold';
import { buildTree } from './tree';

/* 0: r   1: .a   2: ..b   3: ...c   4: .d   5: ..e   6: s */
const parents = ['', 'r', 'a', 'b', 'r', 'd', ''];
const tree = buildTree({
    ids: ['r', 'a', 'b', 'c', 'd', 'e', 's'],
    parentIds: parents,
    starts: Float64Array.from([0, 1, 2, 3, 4, 5, 6]),
    durations: new Float64Array(7).fill(1),
});
const shown = (folded: Uint8Array) => [...visibleRows(tree, folded)];

test('a folded row hides its subtree and nothing else', () => {
    expect(shown(unfoldAll(tree))).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(shown(toggleFold(unfoldAll(tree), 1))).toEqual([0, 1, 4, 5, 6]);
    expect(shown(foldAll(tree))).toEqual([0, 6]);
});

test('levels open from the top and close from the bottom', () => {
    let folded = unfoldOneLevel(tree, foldAll(tree));
    expect(shown(folded)).toEqual([0, 1, 4, 6]);
    folded = unfoldOneLevel(tree, folded);
    expect(shown(folded)).toEqual([0, 1, 2, 4, 5, 6]);
    folded = foldOneLevel(tree, unfoldAll(tree));
    expect(shown(folded)).toEqual([0, 1, 2, 4, 5, 6]);
    folded = foldOneLevel(tree, folded);
    expect(shown(folded)).toEqual([0, 1, 4, 6]);
});

test('revealing opens what is above a row, and only that', () => {
    const folded = reveal(tree, foldAll(tree), 3);
    expect(shown(folded)).toEqual([0, 1, 2, 3, 4, 6]);
    const open = unfoldAll(tree);
    expect(reveal(tree, open, 3)).toBe(open);
});

test('a hidden row has no place', () => {
    const rows = visibleRows(tree, toggleFold(unfoldAll(tree), 1));
    expect(placeOf(rows, 4)).toBe(2);
    expect(placeOf(rows, 2)).toBe(-1);
    expect(placeOf(rows, -1)).toBe(-1);
});

test('a hidden row is seen in the folded one above it', () => {
    const rows = visibleRows(tree, toggleFold(unfoldAll(tree), 1)); /* 0 1 4 5 6 */
    expect([-1, 0, 1, 2, 3, 4, 6].map((row) => lastPlace(rows, row))).toEqual([-1, 0, 1, 1, 1, 2, 4]);
});
