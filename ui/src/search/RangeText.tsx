/* RangeText.tsx - which time was searched, in words: "last hour" in the form says it only for the
 * moment of asking, and a permalink may be days old. */
import { formatRange } from '../format/time';
import { useStore } from '../parts/store';
import { zoneSetting } from '../settings';
import type { Range } from './form';

export function RangeText({ range, isAnyTime }: { range: Range; isAnyTime: boolean }) {
    const zone = useStore(zoneSetting);
    if (isAnyTime) return <span>any time</span>;
    return <time>{formatRange(range.start, range.end, zone, Date.now())}</time>;
}
