/* Minimap.tsx - the whole trace in a strip; drag over it to zoom, double-click for all of it.
 *
 * A canvas, because 100,000 elements would not do. Colours come from the style sheet through the
 * canvas element's own computed colour.
 */
import { useEffect, useRef, useState } from 'preact/hooks';
import { STATUS_ERROR } from '../api/otlp';
import { colorIndexOf } from '../format/color';
import { useStore } from '../parts/store';
import { useSize } from '../parts/use_size';
import { themeSetting } from '../settings';
import type { Trace } from './model';
import { clampView, isWhole, wholeView, type View } from './view';

const HEIGHT = 52;
const MARGIN = 3; /* above and below the bars */
const BAR_HEIGHT_MAX = 6;
const ERROR_SIZE_MIN = 2; /* among 20,000 others a dot of one pixel is not seen */
const DRAG_PX_MIN = 4;

export function Minimap({ trace, view, setView }: {
    trace: Trace;
    view: View;
    setView: (view: View) => void;
}) {
    const [box, { width }] = useSize<HTMLDivElement>();
    const canvas = useRef<HTMLCanvasElement>(null);
    const theme = useStore(themeSetting);
    const systemTheme = useSystemTheme();
    const [brush, setBrush] = useState<[number, number] | null>(null);
    useEffect(() => {
        if (canvas.current && width > 0) drawSpans(canvas.current, trace, width);
    }, [trace, width, theme, systemTheme]);

    const whole = wholeView(trace.durationNs).toNs;
    const drag = (event: PointerEvent) => {
        const element = event.currentTarget as HTMLElement;
        const left = element.getBoundingClientRect().left;
        const start = event.clientX - left;
        let end = start;
        element.setPointerCapture(event.pointerId);
        const move = (e: PointerEvent) => {
            end = Math.min(Math.max(e.clientX - left, 0), width);
            setBrush([Math.min(start, end), Math.max(start, end)]);
        };
        const done = () => {
            element.removeEventListener('pointermove', move);
            element.removeEventListener('pointerup', done);
            element.removeEventListener('pointercancel', done);
            setBrush(null);
            if (Math.abs(end - start) < DRAG_PX_MIN) return;
            const [from, to] = [Math.min(start, end), Math.max(start, end)];
            setView(clampView(
                { fromNs: (from / width) * whole, toNs: (to / width) * whole }, trace.durationNs));
        };
        element.addEventListener('pointermove', move);
        element.addEventListener('pointerup', done);
        element.addEventListener('pointercancel', done);
    };
    const shade = brush ?? (isWhole(view, trace.durationNs)
        ? null : [(view.fromNs / whole) * width, (view.toNs / whole) * width] as const);
    return (
        <div
            class="minimap"
            ref={box}
            aria-hidden="true"
            title="Drag to zoom, double-click for the whole trace"
            onPointerDown={drag}
            onDblClick={() => setView(wholeView(trace.durationNs))}
        >
            <canvas ref={canvas} />
            {shade && (
                <>
                    <div class="shade" style={{ left: '0', width: `${shade[0]}px` }} />
                    <div class="shade" style={{ left: `${shade[1]}px`, right: '0' }} />
                    <div
                        class="window"
                        style={{ left: `${shade[0]}px`, width: `${Math.max(2, shade[1] - shade[0])}px` }}
                    />
                </>
            )}
        </div>
    );
}

function useSystemTheme(): boolean {
    const [isDark, setDark] = useState(() => matchMedia('(prefers-color-scheme: dark)').matches);
    useEffect(() => {
        const query = matchMedia('(prefers-color-scheme: dark)');
        const changed = () => setDark(query.matches);
        query.addEventListener('change', changed);
        return () => query.removeEventListener('change', changed);
    }, []);
    return isDark;
}

function drawSpans(canvas: HTMLCanvasElement, trace: Trace, width: number): void {
    const ratio = devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(HEIGHT * ratio);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${HEIGHT}px`;
    const context = canvas.getContext('2d');
    if (!context) return;
    const colors = new Map<string, string>();
    for (const { name } of trace.services)
        colors.set(name, computedColor(canvas, `--service-${colorIndexOf(name)}`));
    const errorColor = computedColor(canvas, '--error');
    const scale = canvas.width / Math.max(trace.durationNs, 1);
    const step = ((HEIGHT - 2 * MARGIN) * ratio) / trace.spans.length;
    /* in whole pixels: one that is spread over four is none in a crowd */
    const draw = (row: number, color: string, least: number) => {
        const wide = Math.max(least, Math.round(trace.durationsNs[row]! * scale));
        const high = Math.max(least, Math.round(Math.min(step * 0.8, BAR_HEIGHT_MAX * ratio)));
        const left = Math.min(Math.floor(trace.startNs[row]! * scale), canvas.width - least);
        context.fillStyle = color;
        context.fillRect(left, Math.floor(MARGIN * ratio + row * step), wide, high);
    };
    const least = Math.max(1, Math.round(ratio));
    trace.spans.forEach((span, row) => draw(row, colors.get(span.resource.service)!, least));
    trace.spans.forEach(
        (span, row) => span.statusCode === STATUS_ERROR && draw(row, errorColor, ERROR_SIZE_MIN * least));
}

function computedColor(element: HTMLElement, property: string): string {
    element.style.color = `var(${property})`;
    return getComputedStyle(element).color;
}
