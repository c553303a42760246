import { expect, test } from 'vitest';
import { buildTree, ODD_CYCLE, ODD_DUPLICATE, ODD_ORPHAN, ODD_SELF, type Tree } from './tree';

type SpanRow = readonly [id: string, parent: string, start: number, length?: number];

function treeOf(rows: readonly SpanRow[]): Tree {
    return buildTree({
        ids: rows.map((row) => row[0]),
        parentIds: rows.map((row) => row[1]),
        starts: Float64Array.from(rows, (row) => row[2]),
        durations: Float64Array.from(rows, (row) => row[3] ?? 1),
    });
}

/** "a b(c d)": the tree as text */
function drawn(rows: readonly SpanRow[], tree: Tree): string {
    return Array.from(tree.order, (i, row) => `${'.'.repeat(tree.depth[row]!)}${rows[i]![0]}`).join(' ');
}

/** What must hold of every tree, whatever came in. */
function checkTree(tree: Tree, count: number): void {
    expect([...tree.order].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
    for (let row = 0; row < count; row++) {
        const parent = tree.parent[row]!;
        expect(parent).toBeLessThan(row);
        expect(tree.depth[row]).toBe(parent < 0 ? 0 : tree.depth[parent]! + 1);
        expect(tree.end[row]).toBeGreaterThan(row);
        if (parent >= 0) expect(tree.end[row]).toBeLessThanOrEqual(tree.end[parent]!);
    }
}

test.each<[string, SpanRow[], string]>([
    ['children by start', [['r', '', 0], ['b', 'r', 5], ['a', 'r', 2], ['c', 'a', 3]], 'r .a ..c .b'],
    ['parents that come after children', [['c', 'r', 3], ['r', '', 0]], 'r .c'],
    ['longer first where both start', [['r', '', 0], ['s', 'r', 1, 2], ['l', 'r', 1, 9]], 'r .l .s'],
    ['two roots', [['b', '', 4], ['a', '', 1]], 'a b'],
    ['an orphan below the true root, though earlier', [['o', 'gone', 0], ['r', '', 5], ['k', 'o', 1]],
        'r o .k'],
    ['nothing', [], ''],
])('%s', (_why, rows, want) => {
    const tree = treeOf(rows);
    expect(drawn(rows, tree)).toBe(want);
    checkTree(tree, rows.length);
});

test('odd parents are marked, and every span still has its row', () => {
    const rows: SpanRow[] = [
        ['r', '', 0], ['self', 'self', 1], ['a', 'c', 2], ['b', 'a', 3], ['c', 'b', 4], ['t', 'b', 5],
        ['lost', 'gone', 6], ['r', '', 7],
    ];
    const tree = treeOf(rows);
    checkTree(tree, rows.length);
    const oddOf = (i: number) => tree.odd[tree.order.indexOf(i)];
    expect(oddOf(0)).toBe(0);
    expect(oddOf(1)).toBe(ODD_SELF);
    expect(oddOf(2)).toBe(ODD_CYCLE); /* the earliest of the circle */
    expect(oddOf(3)).toBe(0);
    expect(oddOf(6)).toBe(ODD_ORPHAN);
    expect(oddOf(7)).toBe(ODD_DUPLICATE);
    expect(tree.orphanCount).toBe(1);
    expect(drawn(rows, tree)).toBe('r self r a .b ..c ..t lost');
});

test('random parents, circles included, always give a tree', () => {
    let seed = 42;
    const random = (n: number) => {
        seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
        return seed % n;
    };
    for (let round = 0; round < 300; round++) {
        const n = 1 + random(30);
        const rows = Array.from({ length: n }, (_, i): SpanRow =>
            [`s${random(10) === 0 ? 0 : i}`, random(6) === 0 ? '' : `s${random(n + 2)}`, random(9)]);
        checkTree(treeOf(rows), n);
    }
});

test('100,000 spans one under the other, last first, are laid out at once', () => {
    const n = 100_000;
    const rows = Array.from({ length: n }, (_, i): SpanRow => [`s${i}`, i + 1 < n ? `s${i + 1}` : '', n - i]);
    const started = performance.now();
    const tree = treeOf(rows);
    expect(performance.now() - started).toBeLessThan(2000);
    expect(tree.depthMax).toBe(n - 1);
    expect(tree.end[0]).toBe(n);
});

test('a circle of 100,000 spans is cut once', () => {
    const n = 100_000;
    const rows = Array.from({ length: n }, (_, i): SpanRow => [`s${i}`, `s${(i + 1) % n}`, i]);
    const tree = treeOf(rows);
    expect(tree.odd.filter((flags) => flags & ODD_CYCLE).length).toBe(1);
    expect(tree.depthMax).toBe(n - 1);
});
