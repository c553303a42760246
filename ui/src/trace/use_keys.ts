/* use_keys.ts - the keyboard. The letters are those of Jaeger's page; arrows fold and walk the tree
 * as any tree does. Keys typed into a field, or with Ctrl, Alt or Meta, are left alone. */
import { useLayoutEffect, useRef } from 'preact/hooks';
import {
    foldAll, foldOneLevel, hasChildren, lastPlace, toggleFold, unfoldAll, unfoldOneLevel, type Folds,
} from './fold';
import { errorFrom, type Trace } from './model';
import { panView, wholeView, zoomView, type View } from './view';

interface KeyTarget {
    trace: Trace;
    rows: Int32Array;
    folded: Folds;
    selected: number;
    view: View;
    select(row: number): void;
    closeDetail(): void;
    setFolded(folds: Folds): void;
    setView(view: View): void;
    showHelp(): void;
}

type Action = (t: KeyTarget) => void;

const PAN = 0.1;
const PAN_FAST = 0.5;
const ZOOM = 0.6;

/** The row in which the chosen one is seen: itself, or the folded one above it; -1 for none. */
const seenIn = (t: KeyTarget): number =>
    t.selected < 0 ? -1 : t.rows[lastPlace(t.rows, t.selected)]!;

/** With nothing chosen, one stands before the first row. From a hidden row, the folded row that
 * hides it is one step up, and what follows that one step down. */
const walk = (by: number): Action => (t) => {
    const place = lastPlace(t.rows, t.selected);
    const isHidden = place >= 0 && t.rows[place] !== t.selected;
    const next = place + (isHidden && by < 0 ? by + 1 : by);
    t.select(t.rows[Math.min(Math.max(next, 0), t.rows.length - 1)]!);
};
const zoom = (factor: number): Action => (t) =>
    t.setView(zoomView(t.view, factor, t.trace.durationNs));
const pan = (share: number): Action => (t) =>
    t.setView(panView(t.view, share, t.trace.durationNs));
const toError = (by: 1 | -1): Action => (t) => {
    const row = errorFrom(t.trace, t.selected, by);
    if (row >= 0) t.select(row);
};
const scroll = (share: number): Action => () => {
    const list = document.querySelector('.waterfall');
    list?.scrollBy({ top: list.clientHeight * share });
};

const into: Action = (t) => {
    const row = seenIn(t);
    if (row < 0) return t.select(0);
    if (t.folded[row]) return t.setFolded(toggleFold(t.folded, row));
    if (hasChildren(t.trace.tree, t.selected)) t.select(t.selected + 1);
};
const outOf: Action = (t) => {
    const row = seenIn(t);
    if (row < 0) return;
    if (row !== t.selected) return t.select(row);
    const { tree } = t.trace;
    if (!t.folded[t.selected] && hasChildren(tree, t.selected))
        return t.setFolded(toggleFold(t.folded, t.selected));
    if (tree.parent[t.selected]! >= 0) t.select(tree.parent[t.selected]!);
};

interface Key {
    keys: readonly string[];
    help: string;
    act: Action;
}

export const KEYS: readonly Key[] = [
    { keys: ['f', 'ArrowDown'], help: 'Next span', act: walk(1) },
    { keys: ['b', 'ArrowUp'], help: 'Previous span', act: walk(-1) },
    { keys: ['ArrowRight'], help: 'Unfold, or go to the first child', act: into },
    { keys: ['ArrowLeft'], help: 'Fold, or go to the parent', act: outOf },
    { keys: ['Home'], help: 'First span', act: walk(-Infinity) },
    { keys: ['End'], help: 'Last span', act: walk(Infinity) },
    { keys: ['['], help: 'Unfold all', act: (t) => t.setFolded(unfoldAll(t.trace.tree)) },
    { keys: [']'], help: 'Fold all', act: (t) => t.setFolded(foldAll(t.trace.tree)) },
    { keys: ['o'], help: 'Unfold one level', act: (t) => t.setFolded(unfoldOneLevel(t.trace.tree, t.folded)) },
    { keys: ['p'], help: 'Fold one level', act: (t) => t.setFolded(foldOneLevel(t.trace.tree, t.folded)) },
    { keys: ['s'], help: 'Scroll down', act: scroll(0.8) },
    { keys: ['w'], help: 'Scroll up', act: scroll(-0.8) },
    { keys: ['+', '='], help: 'Zoom in', act: zoom(ZOOM) },
    { keys: ['-'], help: 'Zoom out', act: zoom(1 / ZOOM) },
    { keys: ['0'], help: 'Whole trace', act: (t) => t.setView(wholeView(t.trace.durationNs)) },
    { keys: ['a'], help: 'Pan left; with Shift, further', act: pan(-PAN) },
    { keys: ['A'], help: '', act: pan(-PAN_FAST) },
    { keys: ['d'], help: 'Pan right; with Shift, further', act: pan(PAN) },
    { keys: ['D'], help: '', act: pan(PAN_FAST) },
    { keys: ['e'], help: 'Next error; with Shift, the one before', act: toError(1) },
    { keys: ['E'], help: '', act: toError(-1) },
    { keys: ['/', 'Ctrl+f'], help: 'Find text, or service=name', act: focusFind },
    { keys: ['Ctrl+b'], help: '', act: focusFind }, /* Jaeger's */
    { keys: ['Escape'], help: 'Close the detail', act: (t) => t.closeDetail() },
    { keys: ['?'], help: 'This list', act: (t) => t.showHelp() },
];

function focusFind(): void {
    const box = document.querySelector<HTMLInputElement>('#find-box');
    box?.focus();
    box?.select();
}

export function focusRows(): void {
    document.querySelector<HTMLElement>('.waterfall')?.focus({ preventScroll: true });
}

/* The browser's own find sees only the rows that exist, so Ctrl+F is ours; pressed again in the find
 * box, it is the browser's. */
function actionFor(event: KeyboardEvent): Action | undefined {
    const isCtrl = event.ctrlKey || event.metaKey;
    const name = isCtrl ? `Ctrl+${event.key}` : event.key;
    if (event.altKey || isTheirs(event.target, isCtrl, event.key)) return undefined;
    return KEYS.find((key) => key.keys.includes(name))?.act;
}

/** Fields take all plain keys; the detail scrolls by its own when it has the focus. */
function isTheirs(target: EventTarget | null, isCtrl: boolean, key: string): boolean {
    if (!(target instanceof HTMLElement)) return false;
    if (isCtrl) return target.id === 'find-box';
    if (target.closest('.detail') && /^(Arrow|Home|End)/.test(key)) return true;
    return isTyping(target);
}

function isTyping(target: HTMLElement): boolean {
    return /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || target.closest('dialog') !== null;
}

export function useKeys(target: KeyTarget): void {
    const latest = useRef(target);
    latest.current = target;
    /* not after the paint: the first key may come as soon as the rows are seen */
    useLayoutEffect(() => {
        const onKey = (event: KeyboardEvent) => {
            const act = actionFor(event);
            if (!act) return;
            event.preventDefault();
            act(latest.current);
        };
        addEventListener('keydown', onKey);
        return () => removeEventListener('keydown', onKey);
    }, []);
}
