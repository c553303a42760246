/* find.ts - which spans of a trace contain a text.
 *
 * Looks where a reader would: name, service, ids, kind, status, attributes, events, links,
 * resource. Case does not matter. `service=shop`, alone and written as a tag is (service="my shop"),
 * is no text: it finds the spans of exactly that service. Works in slices, so that a trace of 100,000
 * spans never freezes the page: call findIn() for a range of rows, then for the next.
 */
import { asArray, asObject, asText, type Json } from '../api/decode';
import { formatAnyValue } from '../api/any_value';
import { formatTags, parseTags } from '../format/tags';
import { kindName, statusName, type Resource, type WireSpan } from '../api/otlp';

export const FIND_SLICE = 4000;

export interface Finder {
    matches(span: WireSpan): boolean;
}

/** What finds the spans of a service, and no others that speak of it. */
export function serviceTerm(name: string): string {
    return formatTags({ service: name });
}

function serviceOf(text: string): string | undefined {
    const { tags: { service, ...others }, problem } = parseTags(text);
    return problem || Object.keys(others).length > 0 ? undefined : service;
}

export function createFinder(text: string): Finder {
    const service = serviceOf(text);
    if (service !== undefined) return { matches: (span) => span.resource.service === service };
    const pattern = new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'i');
    const resources = new Map<Resource, boolean>();
    const hit = (value: string) => pattern.test(value);
    const attributesHit = (owner: Json) =>
        asArray(owner.attributes).some((item) => {
            const { key, value } = asObject(item);
            return hit(asText(key)) || hit(formatAnyValue(value).text);
        });
    const resourceHit = (resource: Resource) => {
        let known = resources.get(resource);
        if (known === undefined)
            resources.set(resource, (known = attributesHit(resource.raw)));
        return known;
    };
    return {
        matches: (span) =>
            hit(span.name) || hit(span.resource.service) || hit(span.id) || hit(span.parentId) ||
            hit(kindName(span.kind)) || hit(statusName(span.statusCode)) ||
            hit(asText(asObject(span.raw.status).message)) || attributesHit(span.raw) ||
            hit(span.scope.name) || resourceHit(span.resource) ||
            asArray(span.raw.events).some(
                (e) => hit(asText(asObject(e).name)) || attributesHit(asObject(e)),
            ) ||
            asArray(span.raw.links).some(
                (l) => hit(asText(asObject(l).traceId)) || attributesHit(asObject(l)),
            ),
    };
}

export function findIn(
    spans: readonly WireSpan[], finder: Finder, from: number, to: number, out: number[],
): void {
    for (let row = from; row < Math.min(to, spans.length); row++)
        if (finder.matches(spans[row]!)) out.push(row);
}
