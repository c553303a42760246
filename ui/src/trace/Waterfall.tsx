/* Waterfall.tsx - the rows. Only those in sight exist: a trace of 100,000 spans is a tall empty box
 * with forty rows in it. Every row has the same height, so which ones is a division. */
import { useLayoutEffect, useState } from 'preact/hooks';
import { useSize } from '../parts/use_size';
import { recall, remember } from '../settings';
import { placeOf, type Folds } from './fold';
import type { Trace } from './model';
import { indentFor, Row, ROW_HEIGHT } from './Row';
import { Ruler } from './Ruler';
import type { View } from './view';

/** Bring a row into sight; `round` changes when it should be done again. */
export interface ScrollTo {
    row: number;
    round: number;
}

const OVERSCAN = 10;
const RULER_HEIGHT = 30; /* as in trace.css */
const BARS_MARGIN_PX = 12; /* as in trace.css */
const NAMES_SHARE_DEFAULT = 0.4;
const NAMES_SHARE_NARROW = 0.5;
const NARROW_PX = 640;
const NAMES_SHARE_MIN = 0.15;
const NAMES_SHARE_MAX = 0.75;

interface WaterfallProps {
    trace: Trace;
    rows: Int32Array;
    folded: Folds;
    view: View;
    selected: number;
    /** null: nothing is looked for */
    matches: Int32Array | null;
    scrollTo: ScrollTo;
    onSelect: (row: number) => void;
    onToggle: (row: number) => void;
}

export function Waterfall(props: WaterfallProps) {
    const { trace, rows, folded, view, selected, matches, scrollTo } = props;
    const [box, size] = useSize<HTMLDivElement>();
    const [top, setTop] = useState(0);
    const [share, setShare] = useNamesShare();

    useLayoutEffect(() => {
        const place = placeOf(rows, scrollTo.row);
        if (box.current && size.height > 0 && place >= 0) bringIntoSight(box.current, place);
    }, [scrollTo, size.height > 0]);
    /* not after the paint: rows that are in sight must be there to be clicked */
    useLayoutEffect(() => setTop(box.current?.scrollTop ?? 0), [rows, scrollTo, size.height]);

    const first = Math.max(0, Math.floor(top / ROW_HEIGHT) - OVERSCAN);
    const last = Math.min(rows.length, Math.ceil((top + size.height) / ROW_HEIGHT) + OVERSCAN);
    const namesWidth = size.width * share;
    const indentPx = indentFor(trace, namesWidth);
    const shown = [];
    for (let place = first; place < last; place++) {
        const row = rows[place]!;
        shown.push(
            <Row
                key={row}
                trace={trace}
                row={row}
                place={place}
                isFolded={folded[row] === 1}
                isSelected={row === selected}
                isMatch={matches !== null && placeOf(matches, row) >= 0}
                view={view}
                namesWidth={namesWidth}
                indentPx={indentPx}
                onSelect={props.onSelect}
                onToggle={props.onToggle}
            />,
        );
    }
    return (
        <div
            class={`waterfall ${matches && matches.length > 0 ? 'is-finding' : ''}`}
            ref={box}
            role="treegrid"
            aria-label="Spans"
            aria-rowcount={rows.length}
            aria-activedescendant={selected >= 0 ? `row-${selected}` : undefined}
            tabIndex={0}
            style={{ '--names': `${share * 100}%`, '--indent': `${indentPx}px` }}
            onScroll={(e) => setTop(e.currentTarget.scrollTop)}
        >
            <Ruler
                view={view}
                width={size.width - namesWidth - BARS_MARGIN_PX}
                share={share}
                setShare={setShare}
            />
            <div class="rows" role="rowgroup" style={{ height: `${rows.length * ROW_HEIGHT}px` }}>
                {shown}
            </div>
        </div>
    );
}

function bringIntoSight(box: HTMLElement, place: number): void {
    const y = place * ROW_HEIGHT;
    const inside = box.clientHeight - RULER_HEIGHT;
    if (y >= box.scrollTop && y + ROW_HEIGHT <= box.scrollTop + inside) return;
    const isNear = y > box.scrollTop - 3 * ROW_HEIGHT && y < box.scrollTop + inside + 3 * ROW_HEIGHT;
    const above = y < box.scrollTop;
    box.scrollTop = isNear ? (above ? y : y + ROW_HEIGHT - inside) : y - inside / 3;
}

function useNamesShare(): [number, (share: number) => void] {
    const [share, setShare] = useState(
        () => Number(recall('names')) ||
            (innerWidth <= NARROW_PX ? NAMES_SHARE_NARROW : NAMES_SHARE_DEFAULT),
    );
    const set = (next: number) => {
        const kept = Math.min(Math.max(next, NAMES_SHARE_MIN), NAMES_SHARE_MAX);
        remember('names', kept.toFixed(3));
        setShare(kept);
    };
    return [Math.min(Math.max(share, NAMES_SHARE_MIN), NAMES_SHARE_MAX), set];
}
