/* time.ts - instants as people read them, local or UTC.
 *
 * ISO order, 24 hours, always: a trace is read next to logs, which are written so.
 */
import { type Instant, isEpoch } from './instant';

export type Zone = 'local' | 'utc';

const DAYS_OF_YEAR = 365.2425;
const MAX_DATE_SEC = 8.64e12; /* ECMAScript, 21.4.1.1: a Date reaches 10^8 days from 1970 */

const two = (n: number) => String(n).padStart(2, '0');

interface Parts {
    date: string;
    clock: string;
}

function partsOf(at: Instant, zone: Zone): Parts | null {
    if (at.sec > MAX_DATE_SEC) return null;
    const d = new Date(at.sec * 1000);
    return zone === 'utc'
        ? {
              date: `${d.getUTCFullYear()}-${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())}`,
              clock: `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`,
          }
        : {
              date: `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`,
              clock: `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`,
          };
}

/** "UTC", or the local offset at that moment: "+02:00". */
export function zoneName(at: Instant, zone: Zone): string {
    if (zone === 'utc') return 'UTC';
    const minutes = -new Date(Math.min(at.sec, MAX_DATE_SEC) * 1000).getTimezoneOffset();
    const size = Math.abs(minutes);
    return `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

/** "2026-09-01 10:00:00.307"; digits 3, 6 or 9. */
export function formatInstant(at: Instant, zone: Zone, digits: 0 | 3 | 6 | 9 = 3): string {
    if (isEpoch(at)) return 'no time';
    const parts = partsOf(at, zone);
    if (!parts) return 'beyond the calendar';
    const fraction = String(at.nano).padStart(9, '0').slice(0, digits);
    return `${parts.date} ${parts.clock}${digits ? `.${fraction}` : ''}`;
}

/** As short as the day allows: the clock today, the date with it on other days. */
export function formatShort(at: Instant, zone: Zone, nowMs: number, digits: 0 | 3 = 0): string {
    const parts = partsOf(at, zone);
    const today = partsOf({ sec: Math.floor(nowMs / 1000), nano: 0 }, zone);
    const whole = formatInstant(at, zone, digits);
    if (!parts || isEpoch(at) || parts.date !== today?.date) return whole;
    return whole.slice(parts.date.length + 1);
}

/** "2026-09-01 10:00:00 to 11:00:00": one day is named once, and today not at all. */
export function formatRange(from: Instant, to: Instant, zone: Zone, nowMs: number): string {
    const [first, last] = [partsOf(from, zone), partsOf(to, zone)];
    if (first && first.date === last?.date)
        return `${formatShort(from, zone, nowMs)} to ${last.clock}`;
    return `${formatInstant(from, zone, 0)} to ${formatInstant(to, zone, 0)}`;
}

/** "12 s ago", "3 min ago", "5 h ago", "2 d ago", "57 y ago"; "just now" below two seconds. */
export function formatAgo(atMs: number, nowMs: number): string {
    const s = Math.round((nowMs - atMs) / 1000);
    if (s < -1) return 'in the future';
    if (s < 2) return 'just now';
    if (s < 60) return `${s} s ago`;
    if (s < 3600) return `${Math.floor(s / 60)} min ago`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
    const days = Math.floor(s / 86400);
    return days < 365 ? `${days} d ago` : `${Math.round(days / DAYS_OF_YEAR)} y ago`;
}

/** The value of <input type="datetime-local" step="1">, read and written in the zone shown. */
export function toInputValue(ms: number, zone: Zone): string {
    const parts = partsOf({ sec: Math.floor(ms / 1000), nano: 0 }, zone);
    return parts ? `${parts.date}T${parts.clock}` : '';
}

export function fromInputValue(text: string, zone: Zone): number | null {
    if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(text)) return null;
    const ms = Date.parse(zone === 'utc' ? `${text}Z` : text);
    return Number.isNaN(ms) ? null : ms;
}
