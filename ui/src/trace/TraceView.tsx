/* TraceView.tsx - the waterfall of one trace, and everything one can do with it.
 *
 *     header: what it is      find, fold, zoom
 *     minimap
 *     ruler | rows (drawn only where one looks)      | detail of the chosen span
 *
 * State that a permalink carries lives in the address: span, q (find), zoom. Folding does not.
 */
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState, type MutableRef } from 'preact/hooks';
import { replace } from '../router';
import { Detail } from './Detail';
import { placeOf, reveal, toggleFold, unfoldAll, visibleRows } from './fold';
import { KeyHelp } from './KeyHelp';
import { Minimap } from './Minimap';
import { errorFrom, rowOfSpan, type Trace } from './model';
import { TraceHeader } from './TraceHeader';
import { Toolbar } from './Toolbar';
import { useFind } from './use_find';
import { focusRows, useKeys } from './use_keys';
import { formatView, isWhole, parseView, type View } from './view';
import { Waterfall, type ScrollTo } from './Waterfall';

export function TraceView({ trace, params, onReload }: {
    trace: Trace;
    params: URLSearchParams;
    onReload: () => void;
}) {
    const { tree, durationNs } = trace;
    const [selected, setSelected] = useState(() =>
        /* of a trace of one span there is nothing else to look at */
        trace.spans.length === 1 ? 0 : rowOfSpan(trace, params.get('span') ?? ''),
    );
    const [folded, setFolded] = useState(() => unfoldAll(tree));
    const [view, setView] = useState<View>(() => parseView(params.get('zoom'), durationNs));
    const [text, setText] = useState(params.get('q') ?? '');
    const [scrollTo, setScrollTo] = useState<ScrollTo>({ row: selected, round: 0 });
    const [isHelpOpen, setHelpOpen] = useState(false);
    const rows = useMemo(() => visibleRows(tree, folded), [tree, folded]);

    const select = useCallback((row: number) => {
        setSelected(row);
        if (row < 0) return;
        setFolded((was) => reveal(tree, was, row));
        setScrollTo((was) => ({ row, round: was.round + 1 }));
    }, [tree]);

    const find = useFind(trace, text, selected, select);
    const written = useAddress(trace, { selected, text, view });
    /* The address may also be changed from outside: a link to another span of this trace. What was
     * written here comes back, too, perhaps after the reader has gone on to the next span. */
    const spanInAddress = params.get('span') ?? '';
    useLayoutEffect(() => {
        const current = selected >= 0 ? trace.spans[selected]!.id : '';
        if (spanInAddress && spanInAddress !== current && spanInAddress !== written.current)
            select(rowOfSpan(trace, spanInAddress));
        written.current = '';
    }, [spanInAddress]);

    const showHelp = useCallback(() => setHelpOpen(true), []);
    const closeDetail = useCallback(() => {
        if (document.activeElement?.closest('.detail')) focusRows();
        setSelected(-1);
    }, []);
    useKeys({ trace, rows, folded, selected, view, select, closeDetail, setFolded, setView, showHelp });

    return (
        <div class={`trace-page ${selected >= 0 ? 'has-detail' : ''}`}>
            <TraceHeader
                trace={trace}
                onReload={onReload}
                onFind={setText}
                onNextError={() => select(errorFrom(trace, selected, 1))}
            />
            <Toolbar
                trace={trace}
                folded={folded}
                setFolded={setFolded}
                text={text}
                setText={setText}
                find={find}
                matchPlace={placeOf(find.matches, selected)}
                isZoomed={!isWhole(view, durationNs)}
                onResetZoom={() => setView(parseView(null, durationNs))}
                onHelp={showHelp}
            />
            <div class="trace-body">
                <div class="trace-main">
                    <Minimap trace={trace} view={view} setView={setView} />
                    <Waterfall
                        trace={trace}
                        rows={rows}
                        folded={folded}
                        view={view}
                        selected={selected}
                        matches={text ? find.marks : null}
                        scrollTo={scrollTo}
                        onSelect={(row) => setSelected(row === selected ? -1 : row)}
                        onToggle={(row) => setFolded(toggleFold(folded, row))}
                    />
                </div>
                {selected >= 0 && (
                    <Detail trace={trace} row={selected} onSelect={select} onClose={closeDetail} />
                )}
            </div>
            {isHelpOpen && <KeyHelp onClose={() => setHelpOpen(false)} />}
        </div>
    );
}

const ADDRESS_AFTER_MS = 150; /* browsers refuse a history that changes too often */

/** Answers the span that was written last, until it has been seen in the address. */
function useAddress(
    trace: Trace, state: { selected: number; text: string; view: View },
): MutableRef<string> {
    const { selected, text, view } = state;
    const written = useRef('');
    useEffect(() => {
        const timer = setTimeout(() => {
            const params = new URLSearchParams();
            if (selected >= 0) params.set('span', trace.spans[selected]!.id);
            if (text) params.set('q', text);
            if (!isWhole(view, trace.durationNs)) params.set('zoom', formatView(view));
            const query = params.toString();
            const to = `${location.pathname}${query ? `?${query}` : ''}`;
            if (to === location.pathname + location.search) return;
            written.current = params.get('span') ?? '';
            replace(to);
        }, ADDRESS_AFTER_MS);
        return () => clearTimeout(timer);
    }, [trace, selected, text, view]);
    return written;
}
