/* TraceView.tsx - the waterfall of one trace, and everything one can do with it.
 *
 *     header: what it is      find, fold, zoom
 *     minimap
 *     ruler | rows (drawn only where one looks)      | detail of the chosen span
 *
 * State that a permalink carries lives in the address: span, q (find), zoom. It is taken from there
 * on every arrival, and written there as it changes. Folding is not in it.
 */
import { useCallback, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { note, replace, traceAddress } from '../router';
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

export function TraceView({ trace, params, arrival, onReload }: {
    trace: Trace;
    params: URLSearchParams;
    arrival: number;
    onReload: () => void;
}) {
    const { tree, durationNs } = trace;
    const first = useMemo(() => stateIn(params, trace), []);
    const [selected, setSelected] = useState(first.selected);
    const [folded, setFolded] = useState(() => unfoldAll(tree));
    const [view, setView] = useState(first.view);
    const [text, setText] = useState(first.text);
    const [scrollTo, setScrollTo] = useState<ScrollTo>({ row: selected, round: 0 });
    const [isHelpOpen, setHelpOpen] = useState(false);
    const rows = useMemo(() => visibleRows(tree, folded), [tree, folded]);

    const select = useCallback((row: number) => {
        setSelected(row);
        if (row < 0) return;
        setFolded((was) => reveal(tree, was, row));
        setScrollTo((was) => ({ row, round: was.round + 1 }));
    }, [tree]);

    /* a link to another span of this trace, Back, Forward */
    const arrived = useRef(arrival);
    useLayoutEffect(() => {
        if (arrived.current === arrival) return;
        arrived.current = arrival;
        const next = stateIn(params, trace);
        select(next.selected);
        setText(next.text);
        setView(next.view);
    }, [arrival]);
    const here = addressOf(trace, { selected, text, view });
    useLayoutEffect(() => note(here), [here]);
    const find = useFind(trace, text, selected, select);

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
                link={here}
                onReload={() => {
                    replace(here);
                    onReload();
                }}
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

interface ViewState {
    selected: number;
    text: string;
    view: View;
}

function stateIn(params: URLSearchParams, trace: Trace): ViewState {
    return {
        /* of a trace of one span there is nothing else to look at */
        selected: trace.spans.length === 1 ? 0 : rowOfSpan(trace, params.get('span') ?? ''),
        text: params.get('q') ?? '',
        view: parseView(params.get('zoom'), trace.durationNs),
    };
}

function addressOf(trace: Trace, { selected, text, view }: ViewState): string {
    const params = new URLSearchParams();
    if (selected >= 0) params.set('span', trace.spans[selected]!.id);
    if (text) params.set('q', text);
    if (!isWhole(view, trace.durationNs)) params.set('zoom', formatView(view));
    const query = params.toString();
    return traceAddress(trace.traceId) + (query ? `?${query}` : '');
}
