/* Sends the scenario with the official JavaScript SDK.
 *
 *     node send.mjs ENDPOINT PROTOCOL COMPRESSION SERVICE BASE_NS REMOTE_TRACE_ID
 *
 * PROTOCOL is grpc, http/protobuf or http/json, COMPRESSION none or gzip. Prints one line of JSON: the ids
 * that the SDK gave to the spans, and the attribute keys that it cannot record.
 */
import { readFileSync } from 'node:fs';
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { TraceState, ExportResultCode } from '@opentelemetry/core';
import { CompressionAlgorithm } from '@opentelemetry/otlp-exporter-base';
import { OTLPTraceExporter as GrpcExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtoExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';

const scenario = JSON.parse(readFileSync(new URL('../scenario.json', import.meta.url)));
const [endpoint, protocol, compression, service, baseNs, remoteTraceId] = process.argv.slice(2);
const leftOut = [];

/* A value as JavaScript has it, or undefined where it has none that arrives as it was meant: one number
 * type only (a whole double is sent as an integer, an integer beyond 2^53 is not exact), no bytes and no
 * maps as span attributes, and no NaN in the JSON encoding. */
function value(any) {
    const [kind, inner] = Object.entries(any)[0];
    if (kind === 'intValue') return Number.isSafeInteger(Number(inner)) ? Number(inner) : undefined;
    if (kind === 'doubleValue') {
        const number = Number(inner);
        if (Number.isInteger(number) || (protocol === 'http/json' && !Number.isFinite(number))) return undefined;
        return number;
    }
    if (kind === 'arrayValue') return inner.values.map(value);
    if (kind === 'bytesValue' || kind === 'kvlistValue') return undefined;
    return inner;
}

function attributes(rows = []) {
    const out = {};
    for (const { key, value: any } of rows) {
        const here = value(any);
        if (here === undefined) leftOut.push(key);
        else out[key] = here;
    }
    return out;
}

/* Nanoseconds as the SDK's pair of seconds and nanoseconds. */
function time(us) {
    const ns = BigInt(baseNs) + BigInt(us) * 1000n;
    return [Number(ns / 1000000000n), Number(ns % 1000000000n)];
}

function exporter() {
    const options = { compression: compression === 'gzip' ? CompressionAlgorithm.GZIP : CompressionAlgorithm.NONE };
    if (protocol === 'grpc') return new GrpcExporter({ ...options, url: `http://${endpoint}` });
    const Exporter = protocol === 'http/json' ? JsonExporter : ProtoExporter;
    return new Exporter({ ...options, url: `${endpoint}/v1/traces` });
}

let refused = 0;

/* The exporter, with a memory of what it answered: a lost batch must not pass for a sent one. */
function watched(inner) {
    return {
        export: (spans, done) => inner.export(spans, (result) => {
            if (result.code !== ExportResultCode.SUCCESS) {
                refused++;
                console.error(result.error);
            }
            done(result);
        }),
        forceFlush: () => inner.forceFlush?.() ?? Promise.resolve(),
        shutdown: () => inner.shutdown(),
    };
}

const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ ...attributes(scenario.resource), 'service.name': service }),
    spanProcessors: [new BatchSpanProcessor(watched(exporter()))],
});
const tracer = provider.getTracer(scenario.scope.name, scenario.scope.version);
const spans = {};
for (const row of scenario.spans) {
    let parent = ROOT_CONTEXT;
    if (row.parent) parent = trace.setSpan(parent, spans[row.parent]);
    if (row.remote) {
        parent = trace.setSpanContext(parent, {
            traceId: remoteTraceId, spanId: row.remote.spanId, traceFlags: 1, isRemote: true,
            traceState: new TraceState(row.remote.tracestate),
        });
    }
    const span = tracer.startSpan(row.name, {
        kind: SpanKind[row.kind],
        startTime: time(row.start),
        attributes: attributes(row.attributes),
        links: (row.links ?? []).map((link) => ({
            context: spans[link.to].spanContext(), attributes: attributes(link.attributes),
        })),
    }, parent);
    for (const event of row.events ?? []) span.addEvent(event.name, attributes(event.attributes), time(event.at));
    if (row.status) span.setStatus({ code: SpanStatusCode[row.status], message: row.message });
    spans[row.name] = span;
}
for (const row of scenario.spans) spans[row.name].end(time(row.end));
await provider.shutdown();
if (refused) {
    console.error(`${refused} batches were refused`);
    process.exit(1);
}
const ids = Object.entries(spans).map(([name, span]) => [name, [span.spanContext().traceId, span.spanContext().spanId]]);
console.log(JSON.stringify({ spans: Object.fromEntries(ids), left_out: leftOut }));
