/* form.ts - the search form as a value, in the address bar, and as a question to the server.
 *
 *     Form  <-->  /search?service=…&lookback=1h&start=…&end=…  -->  SummaryQuery
 *
 * A permalink must show the same traces tomorrow, so it always carries absolute times (start and
 * end, epoch microseconds, as Jaeger's page has them); `lookback` beside them only says what the
 * form shows and what "Find traces" will ask next time.
 */
import { EPOCH, instantFromMicros, instantFromMillis, microsOf, type Instant } from '../format/instant';
import { parseGoDuration } from '../format/duration';
import { formatTags, parseTags } from '../format/tags';
import type { SummaryQuery } from '../api/summaries';

export const LOOKBACKS: ReadonlyArray<readonly [value: string, label: string]> = [
    ['5m', 'Last 5 minutes'],
    ['15m', 'Last 15 minutes'],
    ['1h', 'Last hour'],
    ['6h', 'Last 6 hours'],
    ['24h', 'Last 24 hours'],
    ['48h', 'Last 2 days'],
    ['168h', 'Last 7 days'],
    ['720h', 'Last 30 days'],
    ['all', 'Any time'],
    ['custom', 'From … to …'],
];

export const DEFAULT_LOOKBACK = '1h';
export const DEFAULT_LIMIT = 20;
export const LIMIT_MAX = 1500;

export interface Form {
    service: string;
    operation: string;
    tags: string;
    minDuration: string;
    maxDuration: string;
    lookback: string;
    /** epoch milliseconds; what counts when lookback is "custom" */
    startMs: number | null;
    endMs: number | null;
    limit: string;
}

export interface Range {
    start: Instant;
    end: Instant;
}

export const EMPTY_FORM: Form = {
    service: '', operation: '', tags: '', minDuration: '', maxDuration: '',
    lookback: DEFAULT_LOOKBACK, startMs: null, endMs: null, limit: String(DEFAULT_LIMIT),
};

/** What "any time" asks: senders whose clocks are wrong are found, too. */
const ALL_TIME: Range = { start: EPOCH, end: instantFromMillis(Date.UTC(2200, 0, 1)) };

export type Problems = Partial<Record<'tags' | 'minDuration' | 'maxDuration' | 'range' | 'limit',
    string>>;

export function checkForm(form: Form): Problems {
    const problems: Problems = {};
    const tags = parseTags(form.tags);
    if (tags.problem) problems.tags = tags.problem;
    const least = durationOf(form.minDuration);
    const most = durationOf(form.maxDuration);
    const hint = 'Write a duration such as 1.5s, 300ms or 2m.';
    if (least === null) problems.minDuration = hint;
    if (most === null) problems.maxDuration = hint;
    if (least && most && most < least) problems.maxDuration = 'Less than the minimum.';
    if (form.lookback === 'custom') {
        if (form.startMs === null || form.endMs === null) problems.range = 'Give both times.';
        else if (form.startMs >= form.endMs) problems.range = 'The start must be before the end.';
    }
    const limit = Number(form.limit);
    if (!Number.isInteger(limit) || limit < 1 || limit > LIMIT_MAX)
        problems.limit = `Between 1 and ${LIMIT_MAX}.`;
    return problems;
}

export function hasProblem(problems: Problems): boolean {
    return Object.keys(problems).length > 0;
}

function durationOf(text: string): number | null | undefined {
    return text.trim() ? parseGoDuration(text.trim()) : undefined;
}

export function rangeOf(form: Form, nowMs: number): Range {
    if (form.lookback === 'all') return ALL_TIME;
    const lookbackNs = parseGoDuration(form.lookback);
    if (form.lookback === 'custom' || lookbackNs === null)
        return {
            start: instantFromMillis(form.startMs ?? nowMs - 3_600_000),
            end: instantFromMillis(form.endMs ?? nowMs),
        };
    return {
        start: instantFromMillis(nowMs - lookbackNs / 1e6),
        end: instantFromMillis(nowMs),
    };
}

export function queryOf(form: Form, range: Range): SummaryQuery {
    return {
        service: form.service,
        operation: form.service ? form.operation : '',
        attributes: parseTags(form.tags).tags,
        minDuration: form.minDuration.trim(),
        maxDuration: form.maxDuration.trim(),
        start: range.start,
        end: range.end,
        limit: Number(form.limit),
    };
}

export function hasConditions(form: Form): boolean {
    return [form.service, form.tags, form.minDuration, form.maxDuration].some((text) => text.trim());
}

/** The same question without its conditions: service, tags and durations. */
export function withoutConditions(form: Form): Form {
    const { lookback, startMs, endMs, limit } = form;
    return { ...EMPTY_FORM, lookback, startMs, endMs, limit };
}

/** The permalink's query. Only what differs from an empty form is written, and the times. */
export function formToParams(form: Form, range: Range): URLSearchParams {
    const params = new URLSearchParams();
    const put = (name: string, value: string) => {
        if (value.trim()) params.set(name, value.trim());
    };
    put('service', form.service);
    put('operation', form.operation);
    const { tags } = parseTags(form.tags);
    if (Object.keys(tags).length > 0) params.set('tags', JSON.stringify(tags));
    put('minDuration', form.minDuration);
    put('maxDuration', form.maxDuration);
    params.set('lookback', form.lookback);
    params.set('start', String(microsOf(range.start)));
    params.set('end', String(microsOf(range.end)));
    params.set('limit', form.limit.trim());
    return params;
}

export interface FromParams {
    form: Form;
    /** null: the address names no times, ask relative to now */
    range: Range | null;
}

export function formFromParams(params: URLSearchParams): FromParams {
    const text = (name: string) => params.get(name) ?? '';
    const start = micros(params.get('start'));
    const end = micros(params.get('end'));
    const range = start && end ? { start, end } : null;
    const known = LOOKBACKS.some(([value]) => value === text('lookback'));
    return {
        range,
        form: {
            service: text('service'),
            operation: text('operation'),
            tags: tagsFromParams(params),
            minDuration: text('minDuration'),
            maxDuration: text('maxDuration'),
            lookback: known ? text('lookback') : range ? 'custom' : DEFAULT_LOOKBACK,
            startMs: range ? microsOf(range.start) / 1000 : null,
            endMs: range ? microsOf(range.end) / 1000 : null,
            limit: text('limit') || String(DEFAULT_LIMIT),
        },
    };
}

function micros(text: string | null): Instant | null {
    return text && /^\d{1,16}$/.test(text) ? instantFromMicros(Number(text)) : null;
}

/** Jaeger's links have tags={"key":"value"} or tag=key:value; both are understood. */
function tagsFromParams(params: URLSearchParams): string {
    const pairs: [string, string][] = [];
    try {
        const map = JSON.parse(params.get('tags') ?? '{}') as unknown;
        if (typeof map === 'object' && map !== null)
            for (const [key, value] of Object.entries(map))
                if (/^(string|number|boolean)$/.test(typeof value)) pairs.push([key, String(value)]);
    } catch {
        return params.get('tags') ?? '';
    }
    for (const pair of params.getAll('tag')) {
        const colon = pair.indexOf(':');
        if (colon > 0) pairs.push([pair.slice(0, colon), pair.slice(colon + 1)]);
    }
    return formatTags(Object.fromEntries(pairs));
}
