import { expect, test } from 'vitest';
import { commandFor, decodeServer, endpointsOf, loadCommandFor, usualEndpoints } from './server';

const facts = (http: string | null, grpc: string | null, tls = false) => decodeServer({
    version: '0.1.0', promise: 'keeps 72h', listeners: [
        { label: 'page and query', address: 'http://127.0.0.1:16686', tls },
        ...(grpc === null ? [] : [{ label: 'OTLP/gRPC', address: grpc, tls }]),
        ...(http === null ? [] : [{ label: 'OTLP/HTTP', address: http, tls }]),
    ],
});

test.each([
    ['its own addresses, whatever the page was called by', facts('http://127.0.0.1:14318', '127.0.0.1:14317'),
        'http://127.0.0.1:14318', 'http://127.0.0.1:14317'],
    ['every address: the name of the page', facts('http://0.0.0.0:4318', '[::]:4317'),
        'http://shop.example:4318', 'http://shop.example:4317'],
    ['an IPv6 address', facts('http://[::1]:4318', '[fe80::1]:4317'), 'http://[::1]:4318', 'http://[fe80::1]:4317'],
    ['TLS', facts('https://10.0.0.1:4318', '10.0.0.1:4317', true), 'https://10.0.0.1:4318', 'https://10.0.0.1:4317'],
    ['off', facts(null, null), '', ''],
    ['a socket of this machine', facts('http://unix:/run/k', 'unix:/run/g'), '', ''],
])('programs are sent to %s', (_what, told, http, grpc) => {
    expect(endpointsOf(told, 'shop.example')).toEqual({ http, grpc });
});

test('the commands say the protocol where it is not the usual one', () => {
    const both = usualEndpoints('h');
    expect(commandFor(both)).toBe('OTEL_EXPORTER_OTLP_ENDPOINT=http://h:4318 ./your-program');
    expect(commandFor({ ...both, http: '' })).toBe(
        'OTEL_EXPORTER_OTLP_PROTOCOL=grpc OTEL_EXPORTER_OTLP_ENDPOINT=http://h:4317 ./your-program');
    expect(commandFor({ http: '', grpc: '' })).toBe('');
    expect(loadCommandFor(both)).toBe('kiseki load --to h:4317 --count 1000');
    expect(loadCommandFor({ ...both, grpc: '' })).toBe('kiseki load --protocol http --to h:4318 --count 1000');
    expect(loadCommandFor({ http: '', grpc: 'https://h:1' })).toBe('kiseki load --to https://h:1 --count 1000');
    expect(loadCommandFor({ http: '', grpc: '' })).toBe('');
});

test.each([null, 7, [], {}, { listeners: 'x' }, { listeners: [null, { label: 5 }, { label: 'a' }] }])(
    'an answer of nonsense names no listener: %j', (answer) => {
        expect(decodeServer(answer).listeners).toEqual([]);
    },
);
