/* summaries.ts - the rows of a search. */
import { compareInstants, nanosBetween, parseInstant, toRfc3339 } from '../format/instant';
import type { Instant } from '../format/instant';
import { asArray, asCount, asObject, asText } from './decode';
import { getJson, type GetOptions } from './client';

export interface ServiceCount {
    name: string;
    spanCount: number;
    errorCount: number;
}

export interface Summary {
    traceId: string;
    rootService: string;
    rootOperation: string;
    start: Instant;
    durationNs: number;
    spanCount: number;
    errorCount: number;
    orphanCount: number;
    services: ServiceCount[];
}

/** What /api/v3/trace-summaries is asked; texts that are empty are not sent. */
export interface SummaryQuery {
    service: string;
    operation: string;
    attributes: Readonly<Record<string, string>>;
    minDuration: string;
    maxDuration: string;
    start: Instant;
    end: Instant;
    limit: number;
}

/** One answer; `next` is the token of the rows after these, empty where there are none (known). */
export interface SummaryPage {
    rows: Summary[];
    next: string;
}

export async function fetchSummaries(
    query: SummaryQuery, options?: GetOptions, token = '',
): Promise<SummaryPage> {
    const answer = await getJson(summariesPath(query, token), options);
    return { rows: decodeSummaries(answer), next: asText(asObject(answer).nextPageToken) };
}

export function summariesPath(query: SummaryQuery, token = ''): string {
    const params = new URLSearchParams();
    const put = (name: string, value: string) => {
        if (value) params.set(`query.${name}`, value);
    };
    put('serviceName', query.service);
    put('operationName', query.operation);
    if (Object.keys(query.attributes).length > 0)
        put('attributes', JSON.stringify(query.attributes));
    put('startTimeMin', toRfc3339(query.start));
    put('startTimeMax', toRfc3339(query.end));
    put('durationMin', query.minDuration);
    put('durationMax', query.maxDuration);
    put('searchDepth', String(query.limit));
    put('pageToken', token);
    return `/api/v3/trace-summaries?${params}`;
}

/** Newest first. proto3 JSON leaves out zeros, empty texts and empty lists. */
export function decodeSummaries(answer: unknown): Summary[] {
    const rows = asArray(asObject(answer).summaries).map(decodeSummary);
    return rows.filter((row) => row.traceId).sort((a, b) => compareInstants(b.start, a.start));
}

function decodeSummary(item: unknown): Summary {
    const row = asObject(item);
    const start = parseInstant(row.minStartTimeUnixNano);
    const end = parseInstant(row.maxEndTimeUnixNano);
    return {
        traceId: asText(row.traceId),
        rootService: asText(row.rootServiceName),
        rootOperation: asText(row.rootOperationName),
        start,
        durationNs: Math.max(0, nanosBetween(start, end)),
        spanCount: asCount(row.spanCount),
        errorCount: asCount(row.errorSpanCount),
        orphanCount: asCount(row.orphanSpanCount),
        services: asArray(row.services).map((share) => {
            const { name, spanCount, errorSpanCount } = asObject(share);
            return {
                name: asText(name),
                spanCount: asCount(spanCount),
                errorCount: asCount(errorSpanCount),
            };
        }),
    };
}
