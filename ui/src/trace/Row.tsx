/* Row.tsx - one span: its name at its depth, its bar at its time.
 *
 * A trace may be 10,000 deep; the indent grows only as far as the names can afford, and then the
 * depth is written as a number instead.
 */
import { STATUS_ERROR } from '../api/otlp';
import { eventTimes } from '../api/span_detail';
import { colorOf } from '../format/color';
import { formatDuration } from '../format/duration';
import { nanosBetween } from '../format/instant';
import { cutText, formatCount, visibleLine } from '../format/text';
import { Icon } from '../parts/Icon';
import { hasChildren } from './fold';
import { isOdd, type Trace } from './model';
import { barOf, type View } from './view';

export const ROW_HEIGHT = 28; /* as in trace.css */
const INDENT_PX_MAX = 14;
const INDENT_PX_MIN = 7;
const INDENT_SHARE_MAX = 0.35;
const NAME_CHARS_MAX = 200;

/** As wide as the deepest level of this trace can afford. */
export function indentFor(trace: Trace, namesWidth: number): number {
    const fair = Math.floor((namesWidth * INDENT_SHARE_MAX) / Math.max(1, trace.tree.depthMax));
    return Math.min(Math.max(fair, INDENT_PX_MIN), INDENT_PX_MAX);
}

interface RowProps {
    trace: Trace;
    row: number;
    place: number;
    isFolded: boolean;
    isSelected: boolean;
    isMatch: boolean;
    view: View;
    namesWidth: number;
    indentPx: number;
    onSelect: (row: number) => void;
    onToggle: (row: number) => void;
}

export function Row(props: RowProps) {
    const { trace, row, place, isFolded, isSelected, isMatch } = props;
    const isParent = hasChildren(trace.tree, row);
    return (
        <div
            id={`row-${row}`}
            class={`row ${isSelected ? 'selected' : ''} ${isMatch ? 'match' : ''}`}
            role="row"
            aria-level={trace.tree.depth[row]! + 1}
            aria-rowindex={place + 1}
            aria-selected={isSelected}
            aria-expanded={isParent ? !isFolded : undefined}
            style={{ transform: `translateY(${place * ROW_HEIGHT}px)` }}
            onClick={() => props.onSelect(row)}
        >
            <NameCell {...props} isParent={isParent} />
            <BarCell trace={trace} row={row} view={props.view} />
        </div>
    );
}

function NameCell({ trace, row, isFolded, isParent, namesWidth, indentPx, onToggle }: RowProps & {
    isParent: boolean;
}) {
    const span = trace.spans[row]!;
    const depth = trace.tree.depth[row]!;
    const levels = Math.min(depth, Math.floor((namesWidth * INDENT_SHARE_MAX) / indentPx));
    const service = visibleLine(cutText(span.resource.service, NAME_CHARS_MAX));
    const name = visibleLine(cutText(span.name, NAME_CHARS_MAX)) || '(no name)';
    const fold = (event: Event) => {
        event.stopPropagation();
        onToggle(row);
    };
    return (
        <div class="names" role="gridcell" title={`${service}: ${name}`}>
            <span class="indent" style={{ width: `${levels * indentPx}px` }} />
            {depth > levels && <span class="depth" title={`Depth ${depth}`}>{formatCount(depth)}</span>}
            {isParent ? (
                <button
                    type="button"
                    class="fold"
                    tabIndex={-1}
                    aria-label={isFolded ? 'Unfold' : 'Fold'}
                    onClick={fold}
                >
                    <Icon name={isFolded ? 'right' : 'down'} />
                </button>
            ) : (
                <span class="fold" />
            )}
            <i class="swatch" style={{ background: colorOf(span.resource.service) }} />
            {span.statusCode === STATUS_ERROR && <Mark kind="error" says="Error" />}
            {isOdd(trace, row) && <Mark kind="warn" says="Warning: the detail tells which" />}
            <bdi class="service">{service}</bdi>
            <bdi class="operation">{name}</bdi>
            {isFolded && (
                <span class="hidden-count">+{formatCount(trace.tree.end[row]! - row - 1)}</span>
            )}
        </div>
    );
}

function Mark({ kind, says }: { kind: 'error' | 'warn'; says: string }) {
    return <span class={`mark ${kind}`} role="img" aria-label={says} title={says}><Icon name={kind} /></span>;
}

function BarCell({ trace, row, view }: { trace: Trace; row: number; view: View }) {
    const span = trace.spans[row]!;
    const bar = barOf(trace.startNs[row]!, trace.durationsNs[row]!, view);
    const isError = span.statusCode === STATUS_ERROR;
    const text = formatDuration(trace.durationsNs[row]!);
    const label = bar.labelSide === 'left'
        ? { right: `${100 - bar.left}%` }
        : { left: `${bar.labelSide === 'right' ? bar.left + bar.width : bar.left}%` };
    return (
        <div class="bars" role="gridcell" aria-label={text}>
            {!bar.isOutside && (
                <>
                    <div
                        class={`bar ${isError ? 'has-error' : ''}`}
                        style={{
                            left: `${bar.left}%`,
                            width: `${bar.width}%`,
                            background: colorOf(span.resource.service),
                        }}
                    />
                    {eventMarks(trace, row, view)}
                    <span class={`bar-label ${bar.labelSide}`} style={label}>{text}</span>
                </>
            )}
        </div>
    );
}

function eventMarks(trace: Trace, row: number, view: View) {
    return eventTimes(trace.spans[row]!).map((at, i) => {
        const mark = barOf(nanosBetween(trace.start, at), 0, view);
        return mark.isOutside ? null : (
            <span key={i} class="event-mark" style={{ left: `${mark.left}%` }} />
        );
    });
}
