/* use_find.ts - the find box at work: slices of rows between frames, matches in row order. */
import { useEffect, useState } from 'preact/hooks';
import { createFinder, FIND_SLICE, findIn } from './find';
import type { Trace } from './model';

export interface Find {
    matches: Int32Array;
    isBusy: boolean;
    /** the match after (by 1) or before (by -1) a row, around the ends; -1 if there is none */
    step(row: number, by: number): number;
}

const TYPING_MS = 120;
const NONE = new Int32Array(0);

export function useFind(trace: Trace, text: string): Find {
    const [found, setFound] = useState({ matches: NONE, isBusy: false });
    useEffect(() => {
        if (!text.trim()) {
            setFound({ matches: NONE, isBusy: false });
            return undefined;
        }
        const finder = createFinder(text.trim());
        const rows: number[] = [];
        let at = 0;
        let timer = setTimeout(work, TYPING_MS);
        setFound((was) => ({ ...was, isBusy: true }));
        function work() {
            findIn(trace.spans, finder, at, at + FIND_SLICE, rows);
            at += FIND_SLICE;
            const isBusy = at < trace.spans.length;
            setFound({ matches: Int32Array.from(rows), isBusy });
            if (isBusy) timer = setTimeout(work, 0);
        }
        return () => clearTimeout(timer);
    }, [trace, text]);
    return { ...found, step: (row, by) => stepIn(found.matches, row, by) };
}

export function stepIn(matches: Int32Array, row: number, by: number): number {
    if (matches.length === 0) return -1;
    if (by > 0) return matches.find((match) => match > row) ?? matches[0]!;
    for (let i = matches.length - 1; i >= 0; i--) if (matches[i]! < row) return matches[i]!;
    return matches[matches.length - 1]!;
}
