/* model.ts - a trace as the page draws it: spans in depth-first order, times from its first start. */
import { type Instant, compareInstants, EPOCH, isEpoch, nanosBetween }
    from '../format/instant';
import { KIND_CLIENT, KIND_SERVER, STATUS_ERROR, type WireSpan } from '../api/otlp';
import type { ServiceCount } from '../api/summaries';
import { buildTree, type Tree } from './tree';

export interface Trace {
    traceId: string;
    start: Instant;
    durationNs: number;
    /** by row, as are the arrays below and those of the tree */
    spans: WireSpan[];
    startNs: Float64Array;
    durationsNs: Float64Array;
    tree: Tree;
    services: ServiceCount[];
    errorCount: number;
}

/** A span that has no end, or one before its start, is drawn as a moment. */
export function lengthOf(span: WireSpan): number {
    return Math.max(0, nanosBetween(span.start, span.end));
}

export function hasBadTimes(span: WireSpan): boolean {
    return isEpoch(span.end) || isEpoch(span.start) || nanosBetween(span.start, span.end) < 0;
}

/** By how much a span starts before its parent, or an answer after the end of its call. */
export interface Skew {
    earlyNs: number;
    lateNs: number;
}

/** A child cannot begin before its parent does, nor an answer after its call, but clocks can say so;
 * null where they do not. */
export function skewOf(trace: Trace, row: number): Skew | null {
    const parent = trace.tree.parent[row]!;
    const [span, above] = [trace.spans[row]!, trace.spans[parent]];
    if (!above || hasBadTimes(span) || hasBadTimes(above)) return null;
    const earlyNs = trace.startNs[parent]! - trace.startNs[row]!;
    const lateNs = -earlyNs - trace.durationsNs[parent]!;
    if (earlyNs > 0) return { earlyNs, lateNs: 0 };
    return lateNs > 0 && isAnswer(span, above) ? { earlyNs: 0, lateNs } : null;
}

function isAnswer(span: WireSpan, parent: WireSpan): boolean {
    return span.kind === KIND_SERVER && parent.kind === KIND_CLIENT
        && span.resource.service !== parent.resource.service;
}

/** Something about it that the detail tells. */
export function isOdd(trace: Trace, row: number): boolean {
    return trace.tree.odd[row] !== 0 || hasBadTimes(trace.spans[row]!) || skewOf(trace, row) !== null;
}

export function buildTrace(traceId: string, arrived: readonly WireSpan[]): Trace {
    const start = firstStart(arrived);
    const starts = Float64Array.from(arrived, (span) => Math.max(0, nanosBetween(start, span.start)));
    const durations = Float64Array.from(arrived, lengthOf);
    const tree = buildTree({
        ids: arrived.map((span) => span.id),
        parentIds: arrived.map((span) => span.parentId),
        starts,
        durations,
    });
    let durationNs = 0;
    for (let i = 0; i < arrived.length; i++)
        durationNs = Math.max(durationNs, starts[i]! + durations[i]!);
    return {
        traceId,
        start,
        durationNs,
        spans: Array.from(tree.order, (i) => arrived[i]!),
        startNs: Float64Array.from(tree.order, (i) => starts[i]!),
        durationsNs: Float64Array.from(tree.order, (i) => durations[i]!),
        tree,
        services: countServices(arrived),
        errorCount: arrived.reduce((n, span) => n + (span.statusCode === STATUS_ERROR ? 1 : 0), 0),
    };
}

/** Spans without any time do not pull the trace back to 1970. */
function firstStart(spans: readonly WireSpan[]): Instant {
    let first: Instant | null = null;
    for (const span of spans)
        if (!isEpoch(span.start) && (!first || compareInstants(span.start, first) < 0))
            first = span.start;
    return first ?? EPOCH;
}

function countServices(spans: readonly WireSpan[]): ServiceCount[] {
    const counts = new Map<string, ServiceCount>();
    for (const span of spans) {
        const name = span.resource.service;
        let count = counts.get(name);
        if (!count) counts.set(name, (count = { name, spanCount: 0, errorCount: 0 }));
        count.spanCount++;
        if (span.statusCode === STATUS_ERROR) count.errorCount++;
    }
    return [...counts.values()].sort((a, b) => b.spanCount - a.spanCount || (a.name < b.name ? -1 : 1));
}

/** The failed span after (by 1) or before (by -1) a row, around the ends; -1 if none failed. */
export function errorFrom(trace: Trace, row: number, by: 1 | -1): number {
    const n = trace.spans.length;
    const from = row < 0 && by < 0 ? 0 : row;
    for (let i = 1; i <= n; i++) {
        const at = (from + by * i + n) % n;
        if (trace.spans[at]!.statusCode === STATUS_ERROR) return at;
    }
    return -1;
}

/** -1 if there is none. Case does not matter: ids are pasted into addresses. */
export function rowOfSpan(trace: Trace, spanId: string): number {
    const id = spanId.trim().toLowerCase();
    return id ? trace.spans.findIndex((span) => span.id === id) : -1;
}
