/* mock.mjs - a server for the page's tests: the files of ui/dist, and enough of /api/v3 over spans
 * kept in an object. It takes spans the way the real server does (POST /v1/traces, OTLP/JSON), so
 * the same tests run against either; what only a mock can do (fail, dawdle, go away) is in `mood`.
 *
 *     node tests/page/mock.mjs [port]      serves it by hand, with the traces of the tests
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const DIST = fileURLToPath(new URL('../../ui/dist', import.meta.url));
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css',
    '.svg': 'image/svg+xml' };

export async function startMock(port = 0) {
    const state = { traces: new Map(), mood: {} };
    const server = createServer((request, response) => {
        answer(state, request, response).catch((error) => {
            response.writeHead(500).end(String(error));
        });
    });
    await new Promise((done) => server.listen(port, '127.0.0.1', done));
    const url = `http://127.0.0.1:${server.address().port}`;
    return {
        url,
        otlpUrl: url,
        mood: state.mood,
        forget: () => state.traces.clear(),
        close: () => {
            server.closeAllConnections();
            return new Promise((done) => server.close(done));
        },
    };
}

async function answer(state, request, response) {
    const url = new URL(request.url, 'http://mock');
    if (request.method === 'POST' && url.pathname === '/v1/traces') {
        keep(state, JSON.parse(await bodyOf(request)));
        return sendJson(response, 200, {});
    }
    if (!url.pathname.startsWith('/api/')) return sendFile(response, url.pathname);
    const { mood } = state;
    if (mood.delayMs) await new Promise((done) => setTimeout(done, mood.delayMs));
    if (mood.notice) response.setHeader('x-kiseki-notice', mood.notice);
    if (mood.status) return sendError(response, mood.status, mood.message ?? 'as the mock was told');
    if (mood.garbage) return response.writeHead(200).end('<html>a proxy speaks</html>');
    const found = url.pathname === '/api/kiseki/server'
        ? mood.server ?? serverFacts(request.headers.host) : route(state, url);
    if (found === null) return sendError(response, 404, 'No traces found');
    return sendJson(response, 200, found);
}

/** As the real server words it; the mock takes spans where it shows them. */
function serverFacts(host) {
    const listener = (label, address) => ({ label, address, tls: false });
    return {
        version: '0.0.0', promise: 'keeps what it is told until it ends',
        listeners: [listener('page and query', `http://${host}`), listener('OTLP/HTTP', `http://${host}`)],
    };
}

function route({ traces }, url) {
    const spans = () => [...traces.values()].flat();
    if (url.pathname === '/api/v3/services')
        return { services: [...new Set(spans().map((span) => span.service))] };
    if (url.pathname === '/api/v3/operations') {
        const service = url.searchParams.get('service');
        const own = spans().filter((span) => span.service === service);
        const names = [...new Set(own.map((span) => span.raw.name))];
        return { operations: names.map((name) => ({ name, spanKind: 'server' })) };
    }
    if (url.pathname === '/api/v3/trace-summaries') return summaries(traces, url.searchParams);
    const id = /^\/api\/v3\/traces\/([0-9a-f]+)$/.exec(url.pathname)?.[1];
    const trace = id && traces.get(id);
    return trace ? { result: { resourceSpans: regroup(trace) } } : null;
}

function keep({ traces }, request) {
    for (const { resource, scopeSpans } of request.resourceSpans) {
        const name = resource.attributes?.find((a) => a.key === 'service.name');
        const service = name?.value.stringValue || 'unknown_service';
        for (const { scope, spans } of scopeSpans)
            for (const raw of spans) {
                const list = traces.get(raw.traceId) ?? [];
                traces.set(raw.traceId, list);
                list.push({ service, resource, scope, raw });
            }
    }
}

function regroup(trace) {
    const groups = new Map();
    for (const { resource, scope, raw } of trace) {
        const scopes = groups.get(resource) ?? new Map();
        groups.set(resource, scopes);
        const list = scopes.get(scope) ?? [];
        scopes.set(scope, list);
        list.push(raw);
    }
    return [...groups].map(([resource, scopes]) => ({
        resource,
        scopeSpans: [...scopes].map(([scope, spans]) => ({ scope, spans })),
    }));
}

function summaries(traces, params) {
    const text = (name) => params.get(`query.${name}`) ?? '';
    const nanos = (time) => BigInt(Date.parse(time.slice(0, 19) + 'Z')) * 1000000n
        + BigInt((time.match(/\.(\d+)/)?.[1] ?? '0').padEnd(9, '0'));
    const [from, to] = [nanos(text('startTimeMin')), nanos(text('startTimeMax'))];
    const wanted = Object.entries(JSON.parse(text('attributes') || '{}'));
    const [least, most] = [goNanos(text('durationMin')), goNanos(text('durationMax'))];
    const rows = [];
    for (const [traceId, spans] of traces) {
        const row = summary(traceId, spans);
        const start = BigInt(row.minStartTimeUnixNano);
        if (start < from || start >= to) continue;
        const lengthOf = ({ raw }) =>
            Number(BigInt(raw.endTimeUnixNano) - BigInt(raw.startTimeUnixNano));
        /* as Jaeger has it: one span meets all the conditions */
        const matches = spans.some((span) =>
            lengthOf(span) >= (least ?? 0) && lengthOf(span) <= (most ?? Infinity) &&
            (!text('serviceName') || span.service === text('serviceName')) &&
            (!text('operationName') || span.raw.name === text('operationName')) &&
            wanted.every(([key, value]) => (span.raw.attributes ?? []).some((a) =>
                a.key === key && String(Object.values(a.value)[0]) === value)));
        if (matches) rows.push(row);
    }
    rows.sort((a, b) => (BigInt(a.minStartTimeUnixNano) < BigInt(b.minStartTimeUnixNano) ? 1 : -1));
    const first = Number(text('pageToken') || 0);
    const next = first + Number(text('searchDepth') || 100);
    const found = rows.slice(first, next);
    return {
        ...(found.length && { summaries: found }),
        ...(next < rows.length && { nextPageToken: String(next) }),
    };
}

/** As proto3 JSON writes it: zeros are left out. */
function summary(traceId, spans) {
    const ids = new Set(spans.map((span) => span.raw.spanId));
    const root = spans.find((span) => !span.raw.parentSpanId);
    const services = new Map();
    let [start, end, errors, orphans] = [null, 0n, 0, 0];
    for (const { service, raw } of spans) {
        const share = services.get(service) ?? { name: service, spanCount: 0 };
        services.set(service, share);
        share.spanCount++;
        if (raw.status?.code === 2) {
            errors++;
            share.errorSpanCount = (share.errorSpanCount ?? 0) + 1;
        }
        if (raw.parentSpanId && !ids.has(raw.parentSpanId)) orphans++;
        const from = BigInt(raw.startTimeUnixNano);
        const to = BigInt(raw.endTimeUnixNano);
        start = start === null || from < start ? from : start;
        end = to > end ? to : end;
    }
    return {
        traceId,
        ...(root && { rootServiceName: root.service, rootOperationName: root.raw.name }),
        minStartTimeUnixNano: String(start),
        maxEndTimeUnixNano: String(end),
        spanCount: spans.length,
        ...(errors && { errorSpanCount: errors }),
        ...(orphans && { orphanSpanCount: orphans }),
        services: [...services.values()],
    };
}

function goNanos(text) {
    const found = /^([\d.]+)(ns|us|ms|s|m|h)$/.exec(text);
    const unit = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };
    return found ? Number(found[1]) * unit[found[2]] : null;
}

async function sendFile(response, path) {
    const name = path.startsWith('/assets/') ? normalize(path) : '/index.html';
    const file = join(DIST, name);
    if (!file.startsWith(DIST)) return sendError(response, 404, 'outside');
    try {
        const body = await readFile(file);
        response.writeHead(200, {
            'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
            'content-security-policy': "default-src 'self'; object-src 'none'; base-uri 'none'; "
                + "form-action 'self'; frame-ancestors 'none'",
            'x-content-type-options': 'nosniff',
        });
        return response.end(body);
    } catch {
        return sendError(response, 404, 'no such file');
    }
}

function sendJson(response, status, value) {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(value));
}

function sendError(response, status, message) {
    response.writeHead(status, { 'content-type': 'text/plain' });
    response.end(JSON.stringify({ error: { httpCode: status, message } }));
}

async function bodyOf(request) {
    const parts = [];
    for await (const part of request) parts.push(part);
    return Buffer.concat(parts).toString();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const { sendAll, showcase } = await import('./spans.mjs');
    const mock = await startMock(Number(process.argv[2] ?? 16686));
    await sendAll(mock.otlpUrl, showcase());
    console.log(`the page with the mock's traces: ${mock.url}`);
}
