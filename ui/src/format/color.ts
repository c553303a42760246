/* color.ts - a service keeps its colour.
 *
 * The colour starts from the name, so it is mostly the same on every page and every day, and moves
 * on to the next free one where two services of this page would share it. There are two rings of
 * nine hues, bright and deep; the deep ones are given out when the bright ones are gone, because
 * two strengths of one hue are hard to tell apart. The colours themselves are custom properties
 * (style/theme.css), one set for light and one for dark.
 */
export const RING = 9;
export const COLOR_COUNT = 2 * RING;

const given = new Map<string, number>();
const taken = new Array<boolean>(COLOR_COUNT).fill(false);

/** FNV-1a over the UTF-16 units. */
function hashOf(name: string): number {
    let hash = 0x811c9dc5;
    for (let i = 0; i < name.length; i++) {
        hash ^= name.charCodeAt(i);
        hash = Math.imul(hash, 0x01000193);
    }
    return hash >>> 0;
}

export function colorIndexOf(service: string): number {
    const known = given.get(service);
    if (known !== undefined) return known;
    const hash = hashOf(service);
    const index = freeIn(0, hash) ?? freeIn(RING, hash) ?? hash % COLOR_COUNT;
    taken[index] = true;
    given.set(service, index);
    return index;
}

function freeIn(ring: number, hash: number): number | null {
    for (let i = 0; i < RING; i++) {
        const index = ring + ((hash + i) % RING);
        if (!taken[index]) return index;
    }
    return null;
}

export function colorOf(service: string): string {
    return `var(--service-${colorIndexOf(service)})`;
}

/** Hands the colours out in the order of the names, so that a page does not depend on arrival. */
export function assignColors(services: Iterable<string>): void {
    for (const service of [...services].sort()) colorIndexOf(service);
}
