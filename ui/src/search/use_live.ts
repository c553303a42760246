/* use_live.ts - asks again and again while "Live" is on and somebody can see the page.
 *
 *     tick --> question --> answer --> TICK_MS --> tick --> ...
 *
 * However long an answer takes, the next question waits for it: none is cut off, and a server at
 * its limit is not asked faster than it can answer. What ticks bring takes the place of what is
 * shown without a sign of loading. Switched off, the list stays as it is.
 */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Load } from '../parts/use_load';

export interface Live {
    isOn: boolean;
    /** a search of fixed times cannot be live */
    isPossible: boolean;
    /** the moment to ask for: of the last tick since one arrived here; 0 before the first */
    nowMs: number;
    toggle: () => void;
    stop: () => void;
    tick: () => void;
}

const TICK_MS = 2000;

export function useLive(isPossible: boolean, arrivedMs: number): Live {
    const [isOn, setOn] = useState(false);
    const [last, setLast] = useState({ arrivedMs, nowMs: 0 });
    useLayoutEffect(() => {
        if (!isPossible) setOn(false);
    }, [isPossible]);
    const tick = () => setLast({ arrivedMs, nowMs: Date.now() });
    return {
        isOn: isOn && isPossible,
        isPossible,
        nowMs: last.arrivedMs === arrivedMs ? last.nowMs : 0,
        toggle: () => {
            if (!isOn) tick();
            setOn(!isOn);
        },
        stop: () => setOn(false),
        tick,
    };
}

/** Ticks some time after each answer, and answers what is to be shown of it. */
export function useTicks<T>(live: Live, load: Load<T>): Load<T> {
    const { isOn, nowMs, tick } = live;
    const isAnswered = load.state !== 'loading';
    useEffect(() => {
        if (!isOn || !isAnswered) return undefined;
        const timer = setInterval(() => {
            if (!document.hidden) tick();
        }, TICK_MS);
        return () => clearInterval(timer);
    }, [isOn, isAnswered, nowMs]);
    const shown = useRef(load);
    const isOfTick = nowMs > 0;
    if (!isOfTick || (isOn && isAnswered)) shown.current = load;
    return shown.current;
}
