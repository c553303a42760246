/* view.ts - the part of a trace's time that is on the screen: zoom, pan, and where a bar goes. */

export interface View {
    fromNs: number;
    toNs: number;
}

/** Nanoseconds are whole; a view narrower than this shows nothing more. */
const VIEW_NS_MIN = 10;

export function wholeView(durationNs: number): View {
    return { fromNs: 0, toNs: Math.max(durationNs, VIEW_NS_MIN) };
}

export function isWhole(view: View, durationNs: number): boolean {
    return view.fromNs <= 0 && view.toNs >= durationNs;
}

export function clampView(view: View, durationNs: number): View {
    const whole = wholeView(durationNs);
    const width = Math.min(Math.max(view.toNs - view.fromNs, VIEW_NS_MIN), whole.toNs);
    const fromNs = Math.min(Math.max(view.fromNs, 0), whole.toNs - width);
    return { fromNs, toNs: fromNs + width };
}

/** factor 0.5 shows half as much, around `at` (0 to 1 across the view). */
export function zoomView(view: View, factor: number, durationNs: number, at = 0.5): View {
    const width = view.toNs - view.fromNs;
    const fixed = view.fromNs + width * at;
    const fromNs = fixed - width * factor * at;
    return clampView({ fromNs, toNs: fromNs + width * factor }, durationNs);
}

export function panView(view: View, share: number, durationNs: number): View {
    const by = (view.toNs - view.fromNs) * share;
    return clampView({ fromNs: view.fromNs + by, toNs: view.toNs + by }, durationNs);
}

export interface Bar {
    /** percent of the width; both inside [0, 100] */
    left: number;
    width: number;
    isOutside: boolean;
    labelSide: 'right' | 'left' | 'inside';
}

export function barOf(startNs: number, durationNs: number, view: View): Bar {
    const share = (ns: number) => ((ns - view.fromNs) / (view.toNs - view.fromNs)) * 100;
    const from = share(startNs);
    const to = share(startNs + durationNs);
    const left = Math.min(Math.max(from, 0), 100);
    const right = Math.min(Math.max(to, 0), 100);
    return {
        left,
        width: right - left,
        isOutside: to < 0 || from > 100,
        labelSide: right < 72 ? 'right' : left > 28 ? 'left' : 'inside',
    };
}

/** "from-to" in nanoseconds, for the address bar. */
export function formatView(view: View): string {
    return `${Math.round(view.fromNs)}-${Math.round(view.toNs)}`;
}

export function parseView(text: string | null, durationNs: number): View {
    const found = /^(\d{1,20})-(\d{1,20})$/.exec(text ?? '');
    if (!found || Number(found[1]) >= Number(found[2])) return wholeView(durationNs);
    return clampView({ fromNs: Number(found[1]), toNs: Number(found[2]) }, durationNs);
}
