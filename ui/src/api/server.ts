/* server.ts - what the server says of itself: its version, its promise, and where it listens. */
import { asArray, asObject, asText } from './decode';
import { getJson, type GetOptions } from './client';

export interface Listener {
    label: string;
    /** as the server prints it: "http://127.0.0.1:4318", or "127.0.0.1:4317" */
    address: string;
    hasTls: boolean;
}

export interface ServerFacts {
    version: string;
    promise: string;
    listeners: Listener[];
}

export async function fetchServer(options?: GetOptions): Promise<ServerFacts> {
    return decodeServer(await getJson('/api/kiseki/server', options));
}

export function decodeServer(answer: unknown): ServerFacts {
    const { version, promise, listeners } = asObject(answer);
    return {
        version: asText(version),
        promise: asText(promise),
        listeners: asArray(listeners).map((item) => {
            const { label, address, tls } = asObject(item);
            return { label: asText(label), address: asText(address), hasTls: tls === true };
        }).filter((listener) => listener.label && listener.address),
    };
}

/** Where a program sends its spans, as URLs; empty: it cannot, over the network. */
export interface Endpoints {
    http: string;
    grpc: string;
}

/** A listener on every address is reached by the name that this page was reached by. */
export function endpointsOf(facts: ServerFacts, pageHost: string): Endpoints {
    const url = (label: string) => {
        const found = facts.listeners.find((listener) => listener.label === label);
        if (!found || found.address.includes('unix:')) return '';
        const bare = found.address.replace(/^https?:\/\//, '');
        const named = bare.replace(/^(0\.0\.0\.0|\[::\]|\*)?:(?=\d+$)/, `${pageHost}:`);
        return `${found.hasTls ? 'https' : 'http'}://${named}`;
    };
    return { http: url('OTLP/HTTP'), grpc: url('OTLP/gRPC') };
}

/** Of a server that does not say: the usual ports. */
export function usualEndpoints(pageHost: string): Endpoints {
    return { http: `http://${pageHost}:4318`, grpc: `http://${pageHost}:4317` };
}

/** The command that points a program at one of them; http/protobuf is every SDK's default. */
export function commandFor({ http, grpc }: Endpoints): string {
    if (http) return `OTEL_EXPORTER_OTLP_ENDPOINT=${http} ./your-program`;
    if (grpc)
        return `OTEL_EXPORTER_OTLP_PROTOCOL=grpc OTEL_EXPORTER_OTLP_ENDPOINT=${grpc} ./your-program`;
    return '';
}

/** Spans at once, from kiseki's own load. */
export function loadCommandFor({ http, grpc }: Endpoints): string {
    const to = (url: string) => url.replace(/^http:\/\//, '');
    if (grpc) return `kiseki load --to ${to(grpc)} --count 1000`;
    return http ? `kiseki load --protocol http --to ${to(http)} --count 1000` : '';
}
