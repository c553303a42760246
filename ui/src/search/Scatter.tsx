/* Scatter.tsx - the traces found by start and duration: outliers show at a glance.
 *
 * For the eye and the mouse only; the list below holds the same links for everybody.
 */
import type { Summary } from '../api/summaries';
import { formatDuration } from '../format/duration';
import { instantFromMillis, millisOf } from '../format/instant';
import { formatShort } from '../format/time';
import { visibleLine } from '../format/text';
import { useStore } from '../parts/store';
import { useSize } from '../parts/use_size';
import { navigate, traceAddress } from '../router';
import { zoneSetting } from '../settings';
import { scatterScale } from './scatter_scale';

const HEIGHT = 128;
const FRACTION_BELOW_MS = 10_000; /* whole seconds would be the same on both sides */
const EDGE = { left: 58, right: 14, top: 12, bottom: 22 };

export function Scatter({ rows }: { rows: Summary[] }) {
    const [ref, { width }] = useSize<HTMLDivElement>();
    const zone = useStore(zoneSetting);
    if (rows.length < 2) return null;
    const scale = scatterScale(
        rows.map((row) => ({ atMs: millisOf(row.start), durationNs: row.durationNs })),
        { width: Math.max(0, width - EDGE.left - EDGE.right), height: HEIGHT - EDGE.top - EDGE.bottom },
    );
    const digits = scale.toMs - scale.fromMs < FRACTION_BELOW_MS ? 3 : 0;
    const clock = (ms: number) => formatShort(instantFromMillis(ms), zone, Date.now(), digits);
    const right = width - EDGE.right;
    return (
        <div class="scatter" ref={ref} aria-hidden="true">
            {width > 0 && (
                <svg width={width} height={HEIGHT}>
                    {scale.ticks.map(({ y, durationNs }) => (
                        <g key={durationNs} transform={`translate(0 ${EDGE.top + y})`}>
                            <line x1={EDGE.left} x2={right} class="grid" />
                            <text x={EDGE.left - 8} dy="4" text-anchor="end">
                                {formatDuration(durationNs)}
                            </text>
                        </g>
                    ))}
                    <text x={EDGE.left} y={HEIGHT - 6}>{clock(scale.fromMs)}</text>
                    <text x={right} y={HEIGHT - 6} text-anchor="end">{clock(scale.toMs)}</text>
                    {rows.map((row, i) => (
                        <circle
                            key={row.traceId}
                            class={row.errorCount > 0 ? 'has-error' : ''}
                            cx={EDGE.left + scale.points[i]!.x}
                            cy={EDGE.top + scale.points[i]!.y}
                            r={Math.min(9, 3 + Math.log2(1 + row.spanCount) / 2)}
                            onClick={() => navigate(traceAddress(row.traceId))}
                        >
                            <title>{tipOf(row)}</title>
                        </circle>
                    ))}
                </svg>
            )}
        </div>
    );
}

function tipOf(row: Summary): string {
    const name = visibleLine(`${row.rootService} ${row.rootOperation}`.slice(0, 200));
    return `${name}\n${formatDuration(row.durationNs)}, ${row.spanCount} spans`;
}
