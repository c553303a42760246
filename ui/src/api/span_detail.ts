/* span_detail.ts - the parts of a span that are shown when it is opened: typed attributes, events,
 * links, resource and scope, decoded from the JSON that WireSpan keeps. */
import { type Instant, parseInstant } from '../format/instant';
import { asArray, asCount, asObject, asText, type Json } from './decode';
import { formatAnyValue, type ValueType } from './any_value';
import type { WireSpan } from './otlp';

export interface Attribute {
    key: string;
    type: ValueType;
    text: string;
}

export interface AttributeSet {
    items: Attribute[];
    dropped: number;
}

export interface SpanEvent {
    name: string;
    at: Instant;
    attributes: AttributeSet;
}

export interface SpanLink {
    traceId: string;
    spanId: string;
    traceState: string;
    attributes: AttributeSet;
}

export interface SpanDetail {
    attributes: AttributeSet;
    events: SpanEvent[];
    droppedEvents: number;
    links: SpanLink[];
    droppedLinks: number;
    resource: AttributeSet;
    scope: AttributeSet;
    statusMessage: string;
    traceState: string;
    flags: number;
}

export function decodeDetail(span: WireSpan): SpanDetail {
    const raw = span.raw;
    return {
        attributes: attributesOf(raw),
        events: asArray(raw.events).map(decodeEvent),
        droppedEvents: asCount(raw.droppedEventsCount),
        links: asArray(raw.links).map(decodeLink),
        droppedLinks: asCount(raw.droppedLinksCount),
        resource: attributesOf(span.resource.raw),
        scope: attributesOf(span.scope.raw),
        statusMessage: asText(asObject(raw.status).message),
        traceState: asText(raw.traceState),
        flags: asCount(raw.flags),
    };
}

/** Sorted by key, ties in the order they were sent. */
export function attributesOf(owner: Json): AttributeSet {
    const items = asArray(owner.attributes).map((item) => {
        const { key, value } = asObject(item);
        return { key: asText(key), ...formatAnyValue(value) };
    });
    items.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
    return { items, dropped: asCount(owner.droppedAttributesCount) };
}

function decodeEvent(item: unknown): SpanEvent {
    const raw = asObject(item);
    return {
        name: asText(raw.name),
        at: parseInstant(raw.timeUnixNano),
        attributes: attributesOf(raw),
    };
}

function decodeLink(item: unknown): SpanLink {
    const raw = asObject(item);
    return {
        traceId: asText(raw.traceId).toLowerCase(),
        spanId: asText(raw.spanId).toLowerCase(),
        traceState: asText(raw.traceState),
        attributes: attributesOf(raw),
    };
}

export function eventTimes(span: WireSpan): Instant[] {
    const events = asArray(span.raw.events);
    return events.slice(0, EVENT_MARKS_MAX).map((e) => parseInstant(asObject(e).timeUnixNano));
}

/** More marks than this on one bar tell nothing. */
export const EVENT_MARKS_MAX = 64;

const FLAG_HAS_REMOTE = 0x100;
const FLAG_IS_REMOTE = 0x200;

/** trace.proto, SpanFlags: bit 9 counts only where bit 8 says that it is known. */
export function parentPlace(flags: number): string {
    if (!(flags & FLAG_HAS_REMOTE)) return '';
    return flags & FLAG_IS_REMOTE ? 'in another process' : 'in the same process';
}
