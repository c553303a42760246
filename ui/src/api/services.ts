/* services.ts - the names one can search for. */
import { asArray, asObject, asText, asTexts } from './decode';
import { getJson, type GetOptions } from './client';

/** What a list that is full says of all that did not fit. */
export const OTHER_SERVICES = '(other)';

export interface Operation {
    name: string;
    kind: string;
}

export async function fetchServices(options?: GetOptions): Promise<string[]> {
    return decodeServices(await getJson('/api/v3/services', options));
}

export function decodeServices(answer: unknown): string[] {
    return asTexts(asObject(answer).services).sort();
}

export async function fetchOperations(service: string, options?: GetOptions): Promise<Operation[]> {
    const path = `/api/v3/operations?service=${encodeURIComponent(service)}`;
    return decodeOperations(await getJson(path, options));
}

/** One row a name, with every kind it was seen with: a search cannot tell kinds apart. */
export function decodeOperations(answer: unknown): Operation[] {
    const kinds = new Map<string, Set<string>>();
    for (const item of asArray(asObject(answer).operations)) {
        const { name, spanKind } = asObject(item);
        if (!asText(name)) continue;
        const known = kinds.get(asText(name)) ?? new Set();
        kinds.set(asText(name), known.add(asText(spanKind) || 'internal'));
    }
    return [...kinds]
        .map(([name, set]) => ({ name, kind: [...set].sort().join(', ') }))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
}
