/* use_live.ts - a clock that ticks while "Live" is on and somebody can see the page. */
import { useEffect, useState } from 'preact/hooks';

export interface Live {
    isOn: boolean;
    /** a search of fixed times cannot be live */
    isPossible: boolean;
    /** the moment to ask for; 0 while it is off */
    nowMs: number;
    toggle: () => void;
}

const TICK_MS = 2000;

export function useLive(isPossible: boolean): Live {
    const [nowMs, setNow] = useState(0);
    const isOn = nowMs > 0 && isPossible;
    useEffect(() => {
        if (!isOn) return undefined;
        const timer = setInterval(() => {
            if (!document.hidden) setNow(Date.now());
        }, TICK_MS);
        return () => clearInterval(timer);
    }, [isOn]);
    return {
        isOn,
        isPossible,
        nowMs: isOn ? nowMs : 0,
        toggle: () => setNow(isOn ? 0 : Date.now()),
    };
}
