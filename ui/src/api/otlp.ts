/* otlp.ts - an OTLP/JSON answer as a flat list of spans.
 *
 *     { result: { resourceSpans: [ { resource, scopeSpans: [ { scope, spans: [ … ] } ] } ] } }
 *
 * Only what drawing a row needs is taken out of a span; attributes, events and links stay as they
 * came (`raw`) until somebody opens the span (span_detail.ts). That keeps 100,000 spans cheap.
 */
import { type Instant, isEpoch, parseInstant } from '../format/instant';
import { asArray, asCount, asObject, asText, type Json } from './decode';
import { getJson, type GetOptions } from './client';

export interface Resource {
    service: string;
    raw: Json;
    schemaUrl: string;
}

export interface Scope {
    name: string;
    version: string;
    raw: Json;
    schemaUrl: string;
}

export const STATUS_ERROR = 2;

export interface WireSpan {
    id: string;
    parentId: string;
    name: string;
    kind: number;
    statusCode: number;
    start: Instant;
    end: Instant;
    resource: Resource;
    scope: Scope;
    raw: Json;
}

/** Where the JSON of a trace is, for the page itself and for "open JSON". */
export function tracePath(traceId: string): string {
    return `/api/v3/traces/${encodeURIComponent(traceId)}`;
}

export async function fetchSpans(traceId: string, options?: GetOptions): Promise<WireSpan[]> {
    return decodeSpans(await getJson(tracePath(traceId), options));
}

export function decodeSpans(answer: unknown): WireSpan[] {
    const outer = asObject(answer);
    const data = asObject(outer.result ?? outer);
    const spans: WireSpan[] = [];
    for (const item of asArray(data.resourceSpans)) {
        const group = asObject(item);
        const resource = decodeResource(group);
        for (const scopeItem of asArray(group.scopeSpans)) {
            const scopeGroup = asObject(scopeItem);
            const scope = decodeScope(scopeGroup);
            for (const span of asArray(scopeGroup.spans))
                spans.push(decodeSpan(asObject(span), resource, scope));
        }
    }
    return spans;
}

function decodeResource(group: Json): Resource {
    const raw = asObject(group.resource);
    /* as the server has it: the first of the key, and its word where there is none */
    const named = asArray(raw.attributes).find((item) => asObject(item).key === 'service.name');
    const service = asText(asObject(asObject(named).value).stringValue);
    return { service: service || 'unknown_service', raw, schemaUrl: asText(group.schemaUrl) };
}

function decodeScope(group: Json): Scope {
    const raw = asObject(group.scope);
    return {
        name: asText(raw.name),
        version: asText(raw.version),
        raw,
        schemaUrl: asText(group.schemaUrl),
    };
}

function decodeSpan(raw: Json, resource: Resource, scope: Scope): WireSpan {
    const start = parseInstant(raw.startTimeUnixNano);
    const end = parseInstant(raw.endTimeUnixNano);
    const parent = asText(raw.parentSpanId).toLowerCase();
    return {
        id: asText(raw.spanId).toLowerCase(),
        parentId: /^0*$/.test(parent) ? '' : parent,
        name: asText(raw.name),
        kind: enumValue(raw.kind, KIND_NAMES),
        statusCode: enumValue(asObject(raw.status).code, STATUS_NAMES),
        start: isEpoch(start) && !isEpoch(end) ? end : start,
        end,
        resource,
        scope,
        raw,
    };
}

const KIND_NAMES = ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'];
const STATUS_NAMES = ['UNSET', 'OK', 'ERROR'];

/** Enums are integers in OTLP/JSON; some writers send SPAN_KIND_SERVER all the same. */
function enumValue(value: unknown, names: readonly string[]): number {
    if (typeof value === 'string' && !/^\d+$/.test(value)) {
        const found = names.findIndex((name) => value.endsWith(`_${name}`));
        return Math.max(found, 0);
    }
    const n = asCount(value);
    return n < names.length ? n : 0;
}

export const KIND_SERVER = 2;
export const KIND_CLIENT = 3;

export function kindName(kind: number): string {
    return (KIND_NAMES[kind] ?? 'UNSPECIFIED').toLowerCase();
}

export function statusName(code: number): string {
    return STATUS_NAMES[code] ?? 'UNSET';
}
