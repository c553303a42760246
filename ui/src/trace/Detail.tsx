/* Detail.tsx - everything a span carries. Decoded when it is opened, not before. */
import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import { kindName, STATUS_ERROR, statusName } from '../api/otlp';
import { decodeDetail, parentPlace, type SpanDetail, type SpanEvent, type SpanLink }
    from '../api/span_detail';
import { colorOf } from '../format/color';
import { formatDuration } from '../format/duration';
import { isEpoch, nanosBetween } from '../format/instant';
import { counted, cutText, formatCount, titleText, visibleLine } from '../format/text';
import { formatInstant, zoneName } from '../format/time';
import { CopyButton } from '../parts/CopyButton';
import { Icon } from '../parts/Icon';
import { Link } from '../parts/Link';
import { useStore } from '../parts/store';
import { cleanTraceId, traceAddress } from '../router';
import { zoneSetting } from '../settings';
import { AttributeTable, LongText } from './AttributeTable';
import { hasBadTimes, rowOfSpan, skewOf, type Trace } from './model';
import { ODD_CYCLE, ODD_DUPLICATE, ODD_ORPHAN, ODD_SELF } from './tree';

interface DetailProps {
    trace: Trace;
    row: number;
    onSelect: (row: number) => void;
    onClose: () => void;
}

export function Detail({ trace, row, onSelect, onClose }: DetailProps) {
    const span = trace.spans[row]!;
    const detail = useMemo(() => decodeDetail(span), [span]);
    const box = useRef<HTMLElement>(null);
    /* not after the paint: who has scrolled down by then would be thrown back */
    useLayoutEffect(() => box.current?.scrollTo(0, 0), [row]);
    return (
        <aside class="detail" ref={box} aria-label="Span detail" tabIndex={-1}>
            <header>
                <div>
                    <div class="service" title={titleText(span.resource.service)}>
                        <i class="swatch" style={{ background: colorOf(span.resource.service) }} />
                        <bdi>{visibleLine(cutText(span.resource.service, 300))}</bdi>
                    </div>
                    <h2><LongText text={span.name || '(no name)'} key={row} /></h2>
                </div>
                <button type="button" class="icon-button" aria-label="Close detail" onClick={onClose}>
                    <Icon name="close" />
                </button>
            </header>
            <Warnings trace={trace} row={row} />
            <Facts trace={trace} row={row} detail={detail} onSelect={onSelect} />
            <Section title="Attributes" count={detail.attributes.items.length} key={`a${row}`}>
                <AttributeTable set={detail.attributes} />
            </Section>
            <Events trace={trace} row={row} detail={detail} />
            <Links detail={detail} row={row} />
            <Section title="Resource" count={detail.resource.items.length} key={`r${row}`}>
                <AttributeTable set={detail.resource} />
                <SchemaUrl url={span.resource.schemaUrl} />
            </Section>
            <Section title="Scope" count={null} key={`s${row}`}>
                <p class="scope">
                    {visibleLine(span.scope.name) || 'unnamed'}{' '}
                    <span class="dim">{visibleLine(span.scope.version)}</span>
                </p>
                {detail.scope.items.length > 0 && <AttributeTable set={detail.scope} />}
                <SchemaUrl url={span.scope.schemaUrl} />
            </Section>
        </aside>
    );
}

function Warnings({ trace, row }: { trace: Trace; row: number }) {
    const span = trace.spans[row]!;
    const odd = trace.tree.odd[row]!;
    const lines = [
        odd & ODD_ORPHAN && 'Its parent has not arrived (yet), so it stands at the top.',
        odd & ODD_SELF && 'It names itself as its parent.',
        odd & ODD_CYCLE && 'Its parents lead back to it; the circle is cut here.',
        odd & ODD_DUPLICATE && 'Another span of this trace has the same id.',
        hasBadTimes(span) ? badTimesText(span) : skewText(trace, row),
    ].filter((line): line is string => Boolean(line));
    return lines.length === 0 ? null : (
        <ul class="warnings">
            {lines.map((line) => <li key={line}><Icon name="warn" /><span>{line}</span></li>)}
        </ul>
    );
}

function skewText(trace: Trace, row: number): string {
    const skew = skewOf(trace, row);
    if (!skew) return '';
    const how = skew.earlyNs > 0 ? `${formatDuration(skew.earlyNs)} before its parent`
        : `${formatDuration(skew.lateNs)} after the end of its call`;
    return `It starts ${how}: their clocks may differ.`;
}

function badTimesText(span: Trace['spans'][number]): string {
    if (isEpoch(span.end)) return 'It has no end time.';
    if (isEpoch(span.start)) return 'It has no start time.';
    return `It ends ${formatDuration(nanosBetween(span.end, span.start))} before it starts.`;
}

function Facts({ trace, row, detail, onSelect }: Omit<DetailProps, 'onClose'> & {
    detail: SpanDetail;
}) {
    const zone = useStore(zoneSetting);
    const span = trace.spans[row]!;
    const place = span.parentId ? parentPlace(detail.flags) : '';
    return (
        <dl class="facts">
            <Fact name="Status">
                <span class={span.statusCode === STATUS_ERROR ? 'error' : ''}>
                    {statusName(span.statusCode)}
                </span>
                {detail.statusMessage && <> · <LongText text={detail.statusMessage} key={row} /></>}
            </Fact>
            <Fact name="Duration"><b>{formatDuration(trace.durationsNs[row]!)}</b></Fact>
            <Fact name="Start">
                +{formatDuration(trace.startNs[row]!)}{' '}
                <span class="dim" title={`${formatInstant(span.start, zone, 9)} ${zoneName(span.start, zone)}`}>
                    {formatInstant(span.start, zone, 6)} {zoneName(span.start, zone)}
                </span>
            </Fact>
            <Fact name="Kind">{kindName(span.kind)}</Fact>
            <Fact name="Span id">
                <code>{visibleLine(cutText(span.id, 64))}</code>
                <CopyButton text={span.id} label="Copy span id" />
            </Fact>
            <Fact name="Parent">
                <Parent trace={trace} row={row} onSelect={onSelect} />
                {place && <span class="dim"> {place}</span>}
            </Fact>
            <Fact name="Below it">
                {counted(trace.tree.end[row]! - row - 1, 'span')}
            </Fact>
            {detail.traceState && (
                <Fact name="Trace state"><code><LongText text={detail.traceState} key={row} /></code></Fact>
            )}
        </dl>
    );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
    return (
        <>
            <dt>{name}</dt>
            <dd>{children}</dd>
        </>
    );
}

function Parent({ trace, row, onSelect }: Omit<DetailProps, 'onClose'>) {
    const { parentId } = trace.spans[row]!;
    if (!parentId) return <span class="dim">none: a root</span>;
    const parentRow = rowOfSpan(trace, parentId);
    const shown = <code>{visibleLine(cutText(parentId, 64))}</code>;
    if (parentRow < 0) return <>{shown} <span class="dim">not here</span></>;
    return (
        <button type="button" class="as-link" onClick={() => onSelect(parentRow)}>{shown}</button>
    );
}

function Section({ title, count, children }: {
    title: string;
    count: number | null;
    children: ComponentChildren;
}) {
    return (
        <details class="section" open>
            <summary>
                {title} {count !== null && <span class="dim">{formatCount(count)}</span>}
            </summary>
            {children}
        </details>
    );
}

const ITEMS_SHOWN = 200; /* events and links: the JSON has the rest */

function Events({ trace, row, detail }: { trace: Trace; row: number; detail: SpanDetail }) {
    const { events, droppedEvents } = detail;
    if (events.length === 0 && droppedEvents === 0) return null;
    return (
        <Section title="Events" count={events.length} key={`e${row}`}>
            <ol class="events">
                {events.slice(0, ITEMS_SHOWN).map((event, i) => (
                    <EventItem key={i} event={event} trace={trace} row={row} />
                ))}
            </ol>
            <More shown={ITEMS_SHOWN} all={events.length} dropped={droppedEvents} what="event" />
        </Section>
    );
}

function EventItem({ event, trace, row }: { event: SpanEvent; trace: Trace; row: number }) {
    const zone = useStore(zoneSetting);
    const offset = nanosBetween(trace.start, event.at) - trace.startNs[row]!;
    return (
        <li>
            <p>
                <b><LongText text={event.name || '(no name)'} /></b>{' '}
                <span class="dim" title={`${formatInstant(event.at, zone, 9)} ${zoneName(event.at, zone)}`}>
                    {isEpoch(event.at) ? 'no time' : `+${formatDuration(offset)} after its start`}
                </span>
            </p>
            {event.attributes.items.length > 0 && <AttributeTable set={event.attributes} />}
        </li>
    );
}

function Links({ detail, row }: { detail: SpanDetail; row: number }) {
    const { links, droppedLinks } = detail;
    if (links.length === 0 && droppedLinks === 0) return null;
    return (
        <Section title="Links" count={links.length} key={`l${row}`}>
            <ol class="links">
                {links.slice(0, ITEMS_SHOWN).map((link, i) => <LinkItem key={i} link={link} />)}
            </ol>
            <More shown={ITEMS_SHOWN} all={links.length} dropped={droppedLinks} what="link" />
        </Section>
    );
}

function LinkItem({ link }: { link: SpanLink }) {
    const traceId = cleanTraceId(link.traceId);
    const spanId = /^[0-9a-f]{16}$/.test(link.spanId) ? link.spanId : '';
    const text = `${visibleLine(cutText(link.traceId, 64))} / ${visibleLine(cutText(link.spanId, 64))}`;
    return (
        <li>
            <p>
                {traceId ? (
                    <Link to={traceAddress(traceId, spanId)}><code>{text}</code></Link>
                ) : (
                    <code>{text}</code>
                )}
            </p>
            {link.attributes.items.length > 0 && <AttributeTable set={link.attributes} />}
        </li>
    );
}

function More({ shown, all, dropped, what }: {
    shown: number;
    all: number;
    dropped: number;
    what: string;
}) {
    return (
        <>
            {all > shown && <p class="dim">{counted(all - shown, what)} more in the JSON.</p>}
            {dropped > 0 && <p class="dim">{counted(dropped, what)} dropped by the sender’s limits.</p>}
        </>
    );
}

function SchemaUrl({ url }: { url: string }) {
    return url ? <p class="dim schema">Schema {visibleLine(cutText(url, 200))}</p> : null;
}
