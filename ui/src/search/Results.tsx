/* Results.tsx - the traces found: a picture of them, and a list, newest first. */
import { useLayoutEffect, useMemo } from 'preact/hooks';
import { OTHER_SERVICES } from '../api/services';
import type { ServiceCount, Summary, SummaryPage, SummaryQuery } from '../api/summaries';
import { assignColors, colorOf } from '../format/color';
import { formatDuration } from '../format/duration';
import { compareInstants, millisOf } from '../format/instant';
import { counted, cutText, formatCount, titleText, visibleLine } from '../format/text';
import { formatAgo, formatInstant, formatShort, zoneName } from '../format/time';
import { CopyButton } from '../parts/CopyButton';
import { Icon } from '../parts/Icon';
import { Link } from '../parts/Link';
import { ServiceLabel, serviceTitle } from '../parts/ServiceLabel';
import { useStore } from '../parts/store';
import { restoreScroll, traceAddress } from '../router';
import { zoneSetting } from '../settings';
import type { Range } from './form';
import { RangeText } from './RangeText';
import { Scatter } from './Scatter';
import type { Live } from './use_live';
import { useMore } from './use_more';

type Compare = (a: Summary, b: Summary) => number;

interface Order {
    /** in the address; the first one's is empty */
    name: string;
    label: string;
    compare: Compare;
}

const newest: Compare = (a, b) => compareInstants(b.start, a.start);
const ORDERS: readonly [Order, ...Order[]] = [
    { name: '', label: 'Newest first', compare: newest },
    { name: 'longest', label: 'Longest first', compare: (a, b) => b.durationNs - a.durationNs },
    { name: 'shortest', label: 'Shortest first', compare: (a, b) => a.durationNs - b.durationNs },
    { name: 'spans', label: 'Most spans first', compare: (a, b) => b.spanCount - a.spanCount },
    {
        name: 'errors', label: 'Most errors first',
        compare: (a, b) => b.errorCount - a.errorCount || newest(a, b),
    },
];

export function Results({ page, query, range, isAnyTime, order, setOrder, permalink, live, onAgain }: {
    page: SummaryPage;
    query: SummaryQuery;
    range: Range;
    isAnyTime: boolean;
    order: string;
    setOrder: (order: string) => void;
    permalink: string;
    live: Live;
    onAgain: () => void;
}) {
    const chosen = ORDERS.find(({ name }) => name === order) ?? ORDERS[0];
    const more = useMore(page, query);
    const { rows } = more;
    useMemo(() => assignColors(rows.flatMap((row) => row.services.map((s) => s.name))), [rows]);
    const sorted = useMemo(() => [...rows].sort(chosen.compare), [rows, chosen]);
    useLayoutEffect(restoreScroll, [page]);
    const showOlder = () => {
        live.stop(); /* its next answer would be the newest ones again, and only those */
        more.load();
    };
    const longestNs = Math.max(...rows.map((row) => row.durationNs), 1);
    return (
        <>
            <div class="results-head">
                <h1>
                    {more.next ? `The newest ${counted(rows.length, 'trace')}` : counted(rows.length, 'trace')}
                    {more.mayBeMore && (
                        <span class="dim" title="There may be more: raise the limit or narrow the search">
                            {' '}· limit reached
                        </span>
                    )}
                    <small class="dim"><RangeText range={range} isAnyTime={isAnyTime} /></small>
                </h1>
                <select
                    aria-label="Order"
                    value={chosen.name}
                    onChange={(e) => setOrder(e.currentTarget.value)}
                >
                    {ORDERS.map(({ name, label }) => <option key={name} value={name}>{label}</option>)}
                </select>
                <CopyButton
                    text={() => location.origin + permalink}
                    label="Copy a link to exactly these results"
                    caption="Copy link"
                />
                {live.isPossible && (
                    <button
                        type="button"
                        class={`button quiet live ${live.isOn ? 'on' : ''}`}
                        aria-pressed={live.isOn}
                        title="Ask again two seconds after each answer"
                        onClick={live.toggle}
                    >
                        <i />
                        <span>Live</span>
                    </button>
                )}
                <button type="button" class="button quiet" onClick={onAgain}>Refresh</button>
            </div>
            <Scatter rows={rows} />
            <ol class="trace-list">
                {sorted.map((row) => (
                    <TraceItem key={row.traceId} row={row} longestNs={longestNs} />
                ))}
            </ol>
            {more.next && (
                <div class="show-more">
                    <button type="button" class="button" disabled={more.isBusy} onClick={showOlder}>
                        {more.isBusy ? 'Loading…' : 'Show older traces'}
                    </button>
                    {more.problem && <p class="problem" role="alert">{more.problem}</p>}
                </div>
            )}
        </>
    );
}

const SERVICES_SHOWN = 8;
const NAME_CHARS_MAX = 300;

function TraceItem({ row, longestNs }: { row: Summary; longestNs: number }) {
    const name = visibleLine(cutText(row.rootOperation, NAME_CHARS_MAX)) || 'root span not here yet';
    const color = colorOf(row.rootService);
    const percent = Math.max(0.4, (row.durationNs / longestNs) * 100);
    return (
        <li>
            <Link to={traceAddress(row.traceId)} class="trace-item">
                <div class="line">
                    <span class="name">
                        {row.rootService && (
                            <bdi class="service" title={titleText(row.rootService)}>
                                {visibleLine(cutText(row.rootService, NAME_CHARS_MAX))}
                            </bdi>
                        )}
                        <bdi
                            class={`operation ${row.rootOperation ? '' : 'missing'}`}
                            title={titleText(row.rootOperation)}
                        >
                            {name}
                        </bdi>
                    </span>
                    <span class="duration">{formatDuration(row.durationNs)}</span>
                </div>
                <div class="meter" aria-hidden="true">
                    <div style={{ width: `${percent}%`, background: color }} />
                </div>
                <div class="line facts">
                    <span class="count">{counted(row.spanCount, 'span')}</span>
                    {row.errorCount > 0 && (
                        <span class="count error">
                            <Icon name="error" />{counted(row.errorCount, 'error')}
                        </span>
                    )}
                    {row.orphanCount > 0 && (
                        <span
                            class="count warn"
                            title={`${counted(row.orphanCount, 'span')} whose parent has not arrived`}
                        >
                            <Icon name="warn" />incomplete
                        </span>
                    )}
                    <span class="chips">
                        <Services services={row.services} />
                    </span>
                    <When row={row} />
                </div>
            </Link>
        </li>
    );
}

/** Of very many services the server lists some, and counts the spans of the rest as one. */
function Services({ services }: { services: readonly ServiceCount[] }) {
    const listed = services.filter(({ name }) => name !== OTHER_SERVICES);
    const more = listed.length - SERVICES_SHOWN;
    const isPart = more > 0 && listed.length < services.length;
    const shown = more > 0 ? listed.slice(0, SERVICES_SHOWN) : services;
    return (
        <>
            {shown.map((share) => (
                <span class="chip" title={serviceTitle(share)} key={share.name}>
                    <ServiceLabel service={share} />
                </span>
            ))}
            {more > 0 && (
                <span
                    class="chip"
                    title={isPart ? `More than ${counted(listed.length, 'service')}: open the trace for all` : ''}
                >
                    and {formatCount(more)}{isPart && '+'} more
                </span>
            )}
        </>
    );
}

function When({ row }: { row: Summary }) {
    const zone = useStore(zoneSetting);
    const now = Date.now();
    const exact = `${formatInstant(row.start, zone, 9)} ${zoneName(row.start, zone)}`;
    return (
        <time class="when" title={exact}>
            {formatShort(row.start, zone, now)}
            <span class="dim"> {formatAgo(millisOf(row.start), now)}</span>
        </time>
    );
}
