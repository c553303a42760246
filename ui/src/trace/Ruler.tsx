/* Ruler.tsx - the scale over the bars, and the handle between names and bars. */
import { ticksFor, type View } from './view';

export function Ruler({ view, width, share, setShare }: {
    view: View;
    width: number;
    share: number;
    setShare: (share: number) => void;
}) {
    return (
        <div class="ruler" role="row">
            <div class="names" role="columnheader">Service and operation</div>
            <Splitter share={share} setShare={setShare} />
            <div class="scale" role="columnheader" aria-label="Time">
                {ticksFor(view, width).map(({ left, label, isLast }) => (
                    <span key={left} class={isLast ? 'last' : ''} style={{ left: `${left}%` }}>
                        {label}
                    </span>
                ))}
            </div>
        </div>
    );
}

const STEP = 0.02;

function Splitter({ share, setShare }: { share: number; setShare: (share: number) => void }) {
    const drag = (event: PointerEvent) => {
        const handle = event.currentTarget as HTMLElement;
        const box = handle.parentElement!.getBoundingClientRect();
        handle.setPointerCapture(event.pointerId);
        const move = (e: PointerEvent) => setShare((e.clientX - box.left) / box.width);
        const done = () => {
            handle.removeEventListener('pointermove', move);
            handle.removeEventListener('pointerup', done);
            handle.removeEventListener('pointercancel', done);
        };
        handle.addEventListener('pointermove', move);
        handle.addEventListener('pointerup', done);
        handle.addEventListener('pointercancel', done);
        event.preventDefault();
    };
    const onKey = (event: KeyboardEvent) => {
        const by = event.key === 'ArrowLeft' ? -STEP : event.key === 'ArrowRight' ? STEP : 0;
        if (!by) return;
        event.preventDefault();
        event.stopPropagation();
        setShare(share + by);
    };
    return (
        <div
            class="splitter"
            role="separator"
            aria-orientation="vertical"
            aria-label="Width of the names"
            aria-valuenow={Math.round(share * 100)}
            tabIndex={0}
            onPointerDown={drag}
            onKeyDown={onKey}
        />
    );
}
