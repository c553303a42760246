/* tree.ts - from parent ids to rows: who is under whom, in which order, how deep.
 *
 *     spans as they came --> parents --> cycles cut --> depth-first order
 *
 * Nothing recurses: a trace of 100,000 spans may be 100,000 deep, and its parents may form circles.
 * The result is in depth-first order, so that a span's subtree is a range and drawing, folding and
 * finding are walks over arrays:
 *
 *     row     0   1   2   3   4          the subtree of row 1 is [1, end[1]) = [1, 4)
 *     depth   0   1   2   2   1
 *     end     5   4   3   4   5
 *
 * Always true: every span has exactly one row; parent[row] < row; a parent of -1 is a root.
 */

export interface TreeInput {
    ids: readonly string[];
    parentIds: readonly string[];
    starts: Float64Array;
    durations: Float64Array;
}

/** What is odd about a span's place in the tree. */
export const ODD_ORPHAN = 1; /* its parent is not in the trace (yet) */
export const ODD_SELF = 2; /* it is its own parent */
export const ODD_CYCLE = 4; /* its ancestors lead back to it; cut here */
export const ODD_DUPLICATE = 8; /* another span has the same id */

export interface Tree {
    /** order[row] is the index in the input */
    order: Int32Array;
    parent: Int32Array;
    depth: Int32Array;
    end: Int32Array;
    odd: Uint8Array;
    depthMax: number;
    orphanCount: number;
}

export function buildTree(input: TreeInput): Tree {
    const odd = new Uint8Array(input.ids.length);
    const parents = findParents(input, odd);
    cutCycles(parents, input.starts, odd);
    return orderRows(input, parents, odd);
}

function findParents(input: TreeInput, odd: Uint8Array): Int32Array {
    const { ids, parentIds } = input;
    const byId = new Map<string, number>();
    ids.forEach((id, i) => {
        if (byId.has(id)) odd[i]! |= ODD_DUPLICATE;
        else byId.set(id, i);
    });
    const parents = new Int32Array(ids.length).fill(-1);
    for (let i = 0; i < ids.length; i++) {
        if (parentIds[i] === '') continue;
        const parent = byId.get(parentIds[i]!);
        if (parentIds[i] === ids[i]) odd[i]! |= ODD_SELF;
        else if (parent === undefined) odd[i]! |= ODD_ORPHAN;
        else parents[i] = parent;
    }
    return parents;
}

const UNSEEN = 0;
const ON_PATH = 1;
const SEEN = 2;

/** Walks up from every span once; meeting one's own path again is a circle. */
function cutCycles(parents: Int32Array, starts: Float64Array, odd: Uint8Array): void {
    const state = new Uint8Array(parents.length);
    for (let first = 0; first < parents.length; first++) {
        let at = first;
        while (at >= 0 && state[at] === UNSEEN) {
            state[at] = ON_PATH;
            at = parents[at]!;
        }
        const met = at >= 0 && state[at] === ON_PATH ? at : -1;
        /* before the cut: it would hide the rest of the circle from this walk */
        for (at = first; at >= 0 && state[at] === ON_PATH; at = parents[at]!) state[at] = SEEN;
        if (met >= 0) {
            const cut = earliestOfCircle(met, parents, starts);
            parents[cut] = -1;
            odd[cut]! |= ODD_CYCLE;
        }
    }
}

function earliestOfCircle(member: number, parents: Int32Array, starts: Float64Array): number {
    let earliest = member;
    for (let at = parents[member]!; at !== member; at = parents[at]!)
        if (starts[at]! < starts[earliest]!) earliest = at;
    return earliest;
}

function orderRows(input: TreeInput, parents: Int32Array, odd: Uint8Array): Tree {
    const n = parents.length;
    const { firstChild, nextSibling, roots } = linkChildren(input, parents, odd);
    const order = new Int32Array(n);
    const parent = new Int32Array(n).fill(-1);
    const depth = new Int32Array(n);
    const rowOf = new Int32Array(n);
    let rows = 0;
    let depthMax = 0;
    for (const root of roots) {
        let at = root;
        let level = 0;
        while (at >= 0) {
            rowOf[at] = rows;
            order[rows] = at;
            depth[rows] = level;
            if (parents[at]! >= 0) parent[rows] = rowOf[parents[at]!]!;
            if (level > depthMax) depthMax = level;
            rows++;
            if (firstChild[at]! >= 0) {
                at = firstChild[at]!;
                level++;
                continue;
            }
            while (at >= 0 && nextSibling[at]! < 0) {
                at = parents[at]!;
                level--;
            }
            if (at >= 0) at = nextSibling[at]!;
        }
    }
    return {
        order,
        parent,
        depth,
        end: subtreeEnds(parent),
        odd: Uint8Array.from(order, (i) => odd[i]!),
        depthMax,
        orphanCount: odd.reduce((sum, flags) => sum + (flags & ODD_ORPHAN), 0),
    };
}

interface Children {
    firstChild: Int32Array;
    nextSibling: Int32Array;
    roots: number[];
}

/** Siblings by start, longer first where they start together; true roots before orphans. */
function linkChildren(input: TreeInput, parents: Int32Array, odd: Uint8Array): Children {
    const { starts, durations } = input;
    const n = parents.length;
    const byStart = Uint32Array.from({ length: n }, (_, i) => i).sort(
        (a, b) => starts[a]! - starts[b]! || durations[b]! - durations[a]! || a - b,
    );
    const firstChild = new Int32Array(n).fill(-1);
    const nextSibling = new Int32Array(n).fill(-1);
    const lastChild = new Int32Array(n).fill(-1);
    const whole: number[] = [];
    const odds: number[] = [];
    for (const i of byStart) {
        const parent = parents[i]!;
        if (parent < 0) {
            (odd[i]! & (ODD_ORPHAN | ODD_CYCLE) ? odds : whole).push(i);
            continue;
        }
        if (firstChild[parent]! < 0) firstChild[parent] = i;
        else nextSibling[lastChild[parent]!] = i;
        lastChild[parent] = i;
    }
    return { firstChild, nextSibling, roots: whole.concat(odds) };
}

/** From the last row up: a row's subtree ends where the last of its children's does. */
function subtreeEnds(parent: Int32Array): Int32Array {
    const end = new Int32Array(parent.length);
    for (let row = parent.length - 1; row >= 0; row--) {
        if (end[row] === 0) end[row] = row + 1;
        const up = parent[row]!;
        if (up >= 0 && end[row]! > end[up]!) end[up] = end[row]!;
    }
    return end;
}
