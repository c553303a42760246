/* use_find.ts - the find box at work: slices of rows between frames, matches in row order.
 *
 *     text  -->  (typing pauses)  -->  slice, slice, ...  -->  matches  -->  a step that waited
 *
 * Matches are those of the text in the box or none: what was found for the text before may be
 * marked a moment longer, but nobody is led to it. A step asked for before it is known where it
 * leads is taken then.
 */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { createFinder, FIND_SLICE, findIn } from './find';
import type { Trace } from './model';

export interface Find {
    matches: Int32Array;
    isBusy: boolean;
    /** what to mark: the matches, or until the first of them are known those of the text before */
    marks: Int32Array;
    /** goes to the match after (by 1) or before (by -1) the chosen row, around the ends */
    step(by: 1 | -1): void;
}

const TYPING_MS = 120;
const NONE = new Int32Array(0);

interface Found {
    trace: Trace;
    text: string;
    matches: Int32Array;
    isBusy: boolean;
}

export function useFind(
    trace: Trace, text: string, selected: number, select: (row: number) => void,
): Find {
    const [found, setFound] = useState<Found>({ trace, text: '', matches: NONE, isBusy: false });
    useEffect(() => {
        if (!text.trim()) {
            setFound({ trace, text, matches: NONE, isBusy: false });
            return undefined;
        }
        const finder = createFinder(text.trim());
        const rows: number[] = [];
        let at = 0;
        let timer = setTimeout(work, TYPING_MS);
        function work() {
            findIn(trace.spans, finder, at, at + FIND_SLICE, rows);
            at += FIND_SLICE;
            const isBusy = at < trace.spans.length;
            setFound({ trace, text, matches: Int32Array.from(rows), isBusy });
            if (isBusy) timer = setTimeout(work, 0);
        }
        return () => clearTimeout(timer);
    }, [trace, text]);

    const isNow = found.trace === trace && found.text === text;
    const matches = isNow ? found.matches : NONE;
    const isBusy = isNow ? found.isBusy : text.trim() !== '';

    /* Steps not taken yet: forward above zero, back below. They end with the text and the row that
     * they were asked for. */
    const wanted = useRef({ text, from: selected, steps: 0 });
    const waiting = () => {
        const { text: ofText, from, steps } = wanted.current;
        return ofText === text && from === selected ? steps : 0;
    };
    const take = (steps: number) => {
        let row = -1;
        for (; steps !== 0; steps -= Math.sign(steps)) {
            const next = stepIn(matches, row < 0 ? selected : row, Math.sign(steps), isBusy);
            if (next === 'later') break;
            row = next;
        }
        wanted.current = { text, from: row < 0 ? selected : row, steps };
        if (row >= 0) select(row);
    };
    useLayoutEffect(() => take(waiting()), [matches, isBusy]);
    const step = (by: 1 | -1) => take(waiting() + by);
    return { matches, isBusy, marks: text.trim() ? found.matches : NONE, step };
}

/** The match after or before a row, around the ends; -1 if there is none. While more rows are
 * looked at, the match after is known once there is one, the match before only at the end. */
export function stepIn(
    matches: Int32Array, row: number, by: number, isBusy = false,
): number | 'later' {
    const after = by > 0 ? matches.find((match) => match > row) : undefined;
    if (after !== undefined) return after;
    if (isBusy) return 'later';
    if (matches.length === 0) return -1;
    if (by > 0) return matches[0]!;
    for (let i = matches.length - 1; i >= 0; i--) if (matches[i]! < row) return matches[i]!;
    return matches[matches.length - 1]!;
}
