/* view.ts - the part of a trace's time that is on the screen: zoom, pan, and where bars and ticks go. */
import { formatDuration, rulerTicks } from '../format/duration';

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

export interface Tick {
    /** percent of the width */
    left: number;
    label: string;
    /** near the right end a label stands before its tick */
    isLast: boolean;
}

const TICK_PX = 110;
const LABEL_PADDING_PX = 6;
const LABEL_CHAR_PX = 8.5; /* 12 px, as in trace.css, in the widest of the fonts */
const LABEL_GAP_PX = 6;

/** As many as have room for their labels. */
export function ticksFor(view: View, widthPx: number): Tick[] {
    for (let most = Math.max(2, Math.floor(widthPx / TICK_PX)); ; most--) {
        const ticks = rulerTicks(view.fromNs, view.toNs, most).map((ns) => {
            const left = ((ns - view.fromNs) / (view.toNs - view.fromNs)) * 100;
            return { left, label: formatDuration(ns), isLast: left > 90 };
        });
        if (hasRoom(ticks, widthPx)) return ticks;
        if (most === 1) return ticks.slice(0, 1);
    }
}

function hasRoom(ticks: readonly Tick[], widthPx: number): boolean {
    let end = -Infinity;
    return ticks.every(({ left, label, isLast }) => {
        const at = (left / 100) * widthPx;
        const labelPx = label.length * LABEL_CHAR_PX + LABEL_PADDING_PX;
        const from = isLast ? at - labelPx : at;
        const isFree = from >= end;
        end = from + labelPx + LABEL_GAP_PX;
        return isFree;
    });
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
