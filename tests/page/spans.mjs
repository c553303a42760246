/* spans.mjs - the traces that the page's tests draw: an ordinary shop, and everything a hostile or
 * broken program might send. All of it is valid OTLP/JSON, so the real server takes it as well. */
import { randomBytes } from 'node:crypto';

export const hex = (bytes) => randomBytes(bytes).toString('hex');

export const attr = (key, value) => ({ key, value: anyValue(value) });

function anyValue(value) {
    if (typeof value === 'boolean') return { boolValue: value };
    if (typeof value === 'bigint') return { intValue: String(value) };
    if (typeof value === 'number')
        return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
    if (Buffer.isBuffer(value)) return { bytesValue: value.toString('base64') };
    if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValue) } };
    if (value && typeof value === 'object')
        return { kvlistValue: { values: Object.entries(value).map(([k, v]) => attr(k, v)) } };
    return { stringValue: String(value) };
}

/** Collects spans of one trace; times are microseconds from its start, `agoMs` before now. */
export class TraceMaker {
    constructor(agoMs = 5000) {
        this.traceId = hex(16);
        this.startNs = BigInt(Date.now() - agoMs) * 1000000n;
        this.groups = new Map();
        this.count = 0;
    }

    /** Returns the span id. `more` is merged into the span as it is sent. */
    span(service, name, parent, startUs, lengthUs, more = {}) {
        const spanId = more.spanId ?? hex(8);
        const at = (us) => String(this.startNs + BigInt(Math.round(us * 1000)));
        const spans = this.groups.get(service) ?? [];
        this.groups.set(service, spans);
        const { attributes = {}, ...rest } = more;
        spans.push({
            traceId: this.traceId, spanId, parentSpanId: parent || undefined, name, kind: 1,
            startTimeUnixNano: at(startUs), endTimeUnixNano: at(startUs + lengthUs),
            attributes: Object.entries(attributes).map(([k, v]) => attr(k, v)),
            status: {}, flags: 257, ...rest,
        });
        this.count++;
        return spanId;
    }

    at(us) {
        return String(this.startNs + BigInt(Math.round(us * 1000)));
    }

    /** The requests to post, at most `most` spans each. */
    requests(most = 5000) {
        const requests = [];
        for (const [service, spans] of this.groups)
            for (let i = 0; i < spans.length; i += most)
                requests.push({
                    resourceSpans: [{
                        resource: { attributes: resourceOf(service) },
                        scopeSpans: [{
                            scope: { name: 'kiseki/page-tests', version: '1.0.0' },
                            spans: spans.slice(i, i + most),
                        }],
                    }],
                });
        return requests;
    }
}

function resourceOf(service) {
    return [
        attr('service.name', service), attr('service.version', '2.4.1'),
        attr('deployment.environment.name', 'production'), attr('host.name', 'node-7'),
        attr('process.pid', 4711), attr('telemetry.sdk.language', 'c'),
    ];
}

export async function send(otlpUrl, trace) {
    for (const request of trace.requests()) {
        const response = await fetch(`${otlpUrl}/v1/traces`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify(request),
        });
        if (!response.ok) throw new Error(`OTLP ${response.status}: ${await response.text()}`);
        await response.arrayBuffer();
    }
    return trace;
}

export async function sendAll(otlpUrl, traces) {
    for (const trace of traces) await send(otlpUrl, trace);
}

const CLIENT = { kind: 3 };
const SERVER = { kind: 2 };

/** A shop's checkout: three services, a database, an exception, a link, attributes of every type. */
export function checkout({ tag = '', agoMs = 5000, fails = true, scale = 1 } = {}) {
    const t = new TraceMaker(agoMs);
    const [gateway, orders, payments] = ['gateway', 'orders', 'payments'].map((n) => tag + n);
    const us = (n) => n * scale;
    const root = t.span(gateway, 'POST /checkout', '', 0, us(184000), {
        ...SERVER,
        ...(fails && { status: { code: 2, message: 'payment refused' } }),
        attributes: {
            'http.request.method': 'POST', 'url.path': '/checkout', 'url.scheme': 'https',
            'http.response.status_code': fails ? 502 : 200, 'user.id': 'u-1041',
            'server.address': 'shop.example', 'cart.total': 129.95, 'cart.is_gift': false,
            'cart.items': ['tea', 'cup', 'kettle'], 'cart.sizes': { tea: 2, cup: 1 },
            'session.blob': Buffer.from('kiseki'), 'big.int': 9007199254740993n,
            'doc.url': 'https://docs.example/checkout', 'empty.text': '',
        },
    });
    t.span(gateway, 'authenticate', root, us(1200), us(6400));
    const call = t.span(gateway, 'POST orders/orders', root, us(9000), us(151000), CLIENT);
    const order = t.span(orders, 'POST /orders', call, us(11500), us(146000), {
        ...SERVER, links: [{ traceId: hex(16), spanId: hex(8), attributes: [attr('why', 'retry')] }],
    });
    for (let i = 0; i < 4; i++)
        t.span(orders, 'SELECT stock', order, us(14000 + i * 7200), us(6100), {
            ...CLIENT,
            attributes: { 'db.system.name': 'postgresql', 'db.query.text':
                `SELECT quantity, reserved FROM stock WHERE sku = $${i + 1}`, 'db.rows': i },
        });
    const pay = t.span(orders, 'POST payments/charge', order, us(45000), us(98000), CLIENT);
    const charge = t.span(payments, 'POST /charge', pay, us(48000), us(92500), {
        ...SERVER,
        ...(fails && {
            status: { code: 2, message: 'card declined by issuer' },
            events: [
                { name: 'retry', timeUnixNano: t.at(us(80000)), attributes: [attr('attempt', 2)] },
                { name: 'exception', timeUnixNano: t.at(us(139000)), attributes: [
                    attr('exception.type', 'CardDeclined'),
                    attr('exception.message', 'card declined by issuer'),
                    attr('exception.stacktrace', stack()),
                ] },
            ],
        }),
    });
    t.span(payments, 'SET charge:lock', charge, us(50000), us(700), {
        ...CLIENT, attributes: { 'db.system.name': 'redis' } });
    t.span(payments, 'POST bank/authorize', charge, us(53000), us(84000), {
        ...CLIENT, ...(fails && { status: { code: 2 } }) });
    t.span(orders, 'orders.placed send', order, us(150000), us(3100), { kind: 4 });
    t.span(gateway, 'render', root, us(163000), us(18000));
    return t;
}

function stack() {
    const frames = ['charge', 'authorize', 'retry', 'handle', 'dispatch', 'serve', 'main'];
    return ['CardDeclined: card declined by issuer', ...frames.map((f, i) =>
        `    at ${f} (payments/src/${f}.c:${40 + i * 17})`)].join('\n');
}

/** Two spans whose parent never comes, and a root that did. */
export function orphans(tag = '') {
    const t = new TraceMaker(8000);
    t.root = t.span(`${tag}edge`, 'GET /late', '', 0, 40000, SERVER);
    t.lost = t.span(`${tag}worker`, 'consume late message', hex(8), 12000, 20000, { kind: 5 });
    t.span(`${tag}worker`, 'step', t.lost, 14000, 9000);
    return t;
}

/** A parent of itself, a circle of three with a tail, and two spans with one id. */
export function circles(tag = '') {
    const t = new TraceMaker(9000);
    const [a, b, c, self] = [hex(8), hex(8), hex(8), hex(8)];
    t.span(`${tag}odd`, 'root', '', 0, 1000);
    t.span(`${tag}odd`, 'own parent', self, 10, 50, { spanId: self });
    t.span(`${tag}odd`, 'circle a', c, 20, 60, { spanId: a });
    t.span(`${tag}odd`, 'circle b', a, 30, 60, { spanId: b });
    t.span(`${tag}odd`, 'circle c', b, 40, 60, { spanId: c });
    t.span(`${tag}odd`, 'tail', b, 45, 5);
    t.span(`${tag}odd`, 'ends before it starts', '', 500, -100);
    return t;
}

export const HOSTILE = {
    script: '<script>window.pwned=1</script>',
    image: '"><img src=x onerror="window.pwned=1"><b>bold</b>',
    ansi: '\u001b[31mred\u001b[0m \u0007bell',
    rtl: 'invoice\u202egpj.exe \u05e9\u05dc\u05d5\u05dd',
    zalgo: 'Z\u0351\u036b\u0343\u036a\u0302a\u0322\u0341lgo \u{1f9ea}',
    javascript: 'javascript:window.pwned=1',
    data: 'data:text/html,<script>window.pwned=1</script>',
};

/** Markup, terminal escapes, right-to-left tricks and 64 KB values in every place text can be. */
export function hostile(tag = '') {
    const t = new TraceMaker(10000);
    const service = `${tag}<svg onload=window.pwned=1>`;
    const root = t.span(service, HOSTILE.script, '', 0, 5000, {
        status: { code: 2, message: HOSTILE.image },
        traceState: 'a=<b>',
        attributes: {
            ...HOSTILE, long: 'long value '.repeat(5957), [HOSTILE.image]: 'a key of markup',
            __proto__key: '__proto__', lines: 'one\ntwo\nthree', nested: { a: [{ b: HOSTILE.script }] },
        },
        events: [{ name: HOSTILE.image, timeUnixNano: t.at(100),
            attributes: [attr(HOSTILE.script, HOSTILE.ansi)] }],
        links: [{ traceId: hex(16), spanId: hex(8), attributes: [attr('x', HOSTILE.javascript)] }],
    });
    t.span(service, HOSTILE.rtl, root, 100, 300);
    t.span(service, HOSTILE.ansi, root, 500, 300);
    t.span(service, HOSTILE.zalgo, root, 900, 300);
    t.span(service, 'name '.repeat(2000), root, 1300, 300);
    return t;
}

/** `depth` spans one under the other, and below each of the first ones many side by side. Few names:
 *  a server bounds the list of operations it keeps, and other tests need room in it. */
export function big({ tag = '', spans = 100000, depth = 10000 } = {}) {
    const t = new TraceMaker(20000);
    const services = Array.from({ length: 8 }, (_, i) => `${tag}big-${i}`);
    const chain = [];
    for (let i = 0; i < depth; i++) {
        const more = { attributes: { level: i, 'code.function.name': `step_${i % 97}` } };
        chain.push(t.span(services[i % 8], i ? `level ${i % 10}` : 'big root', chain[i - 1] ?? '',
            i * 10, (depth - i) * 20 + 1, more));
    }
    for (let i = depth; i < spans; i++)
        t.span(services[i % 8], `leaf ${i % 100}`, chain[i % 500], (i % 9000) * 10, 40 + (i % 700), {
            attributes: { label: `leaf-${i}` }, ...(i % 1000 === 0 && { status: { code: 2 } }),
        });
    return t;
}

/** A page worth looking at. */
export function showcase(tag = '') {
    const traces = [];
    for (let i = 0; i < 14; i++)
        traces.push(checkout({
            tag, agoMs: 20000 + i * 137000 + (i % 3) * 40000, fails: i % 4 === 1,
            scale: 0.4 + ((i * 7) % 11) / 6,
        }));
    return [...traces, orphans(tag), circles(tag), hostile(tag)];
}
