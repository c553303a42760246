/* fold.ts - which rows are shown when some are folded. All of it walks arrays in row order. */
import type { Tree } from './tree';

/** folded[row] is 1 where the row's children are hidden */
export type Folds = Uint8Array;

export function visibleRows(tree: Tree, folded: Folds): Int32Array {
    const n = tree.order.length;
    const rows = new Int32Array(n);
    let count = 0;
    for (let row = 0; row < n; row = folded[row] ? tree.end[row]! : row + 1) rows[count++] = row;
    return rows.subarray(0, count);
}

export function hasChildren(tree: Tree, row: number): boolean {
    return tree.end[row]! > row + 1;
}

export function toggleFold(folded: Folds, row: number): Folds {
    const next = folded.slice();
    next[row] = next[row] ? 0 : 1;
    return next;
}

export function foldAll(tree: Tree): Folds {
    return Uint8Array.from(tree.order, (_, row) => (hasChildren(tree, row) ? 1 : 0));
}

export function unfoldAll(tree: Tree): Folds {
    return new Uint8Array(tree.order.length);
}

/** Folds the deepest level that is open. */
export function foldOneLevel(tree: Tree, folded: Folds): Folds {
    let deepest = -1;
    const shown = visibleRows(tree, folded);
    for (const row of shown)
        if (!folded[row] && hasChildren(tree, row)) deepest = Math.max(deepest, tree.depth[row]!);
    const next = folded.slice();
    for (const row of shown)
        if (tree.depth[row] === deepest && hasChildren(tree, row)) next[row] = 1;
    return next;
}

/** Opens the uppermost level that is folded. */
export function unfoldOneLevel(tree: Tree, folded: Folds): Folds {
    let top = Infinity;
    const shown = visibleRows(tree, folded);
    for (const row of shown) if (folded[row]) top = Math.min(top, tree.depth[row]!);
    const next = folded.slice();
    for (const row of shown) if (tree.depth[row] === top) next[row] = 0;
    return next;
}

/** Opens everything above a row, so that it is shown. */
export function reveal(tree: Tree, folded: Folds, row: number): Folds {
    let next = folded;
    for (let up = tree.parent[row]!; up >= 0; up = tree.parent[up]!) {
        if (!next[up]) continue;
        if (next === folded) next = folded.slice();
        next[up] = 0;
    }
    return next;
}

/** Where a row stands among the shown ones (they are sorted); -1 if it is hidden. */
export function placeOf(shown: Int32Array, row: number): number {
    const place = lastPlace(shown, row);
    return shown[place] === row ? place : -1;
}

/** The last of the shown rows that is not below this one. For a hidden row that is the folded one
 * it is hidden in; -1 only for no row. */
export function lastPlace(shown: Int32Array, row: number): number {
    let low = 0;
    let high = shown.length;
    while (low < high) {
        const middle = (low + high) >> 1;
        if (shown[middle]! <= row) low = middle + 1;
        else high = middle;
    }
    return low - 1;
}
