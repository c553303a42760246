/* TracePage.tsx - one trace: asked for, laid out once, drawn by TraceView. */
import { useEffect } from 'preact/hooks';
import { ApiFailure } from '../api/client';
import { fetchSpans, tracePath } from '../api/otlp';
import { assignColors } from '../format/color';
import { cutText, visibleLine } from '../format/text';
import { EmptyState, FailureState, LoadingState } from '../parts/States';
import { Link } from '../parts/Link';
import { useLoad } from '../parts/use_load';
import { cleanTraceId } from '../router';
import { buildTrace, type Trace } from './model';
import { TraceView } from './TraceView';

/** As the search box has it; the server would speak of its parameter. */
const NOT_AN_ID = 'A trace id is 32 hexadecimal digits.';

export function TracePage({ traceId, params, arrival }: {
    traceId: string;
    params: URLSearchParams;
    arrival: number;
}) {
    const { load, retry, cancel } = useLoad<Trace>(traceId, async (options) => {
        if (!cleanTraceId(traceId)) throw new ApiFailure('bad_request', NOT_AN_ID);
        const spans = await fetchSpans(traceId, options);
        if (spans.length === 0) throw new ApiFailure('not_found', 'This trace has no spans.', 404);
        const trace = buildTrace(traceId, spans);
        assignColors(trace.services.map((service) => service.name));
        return trace;
    });
    useEffect(() => {
        document.title = load.state === 'done' ? titleOf(load.value) : 'kiseki';
    }, [load]);
    if (load.state === 'loading')
        return <LoadingState what="the trace" receivedBytes={load.receivedBytes} onCancel={cancel} />;
    if (load.state === 'failed')
        return <TraceFailure traceId={traceId} failure={load.failure} onRetry={retry} />;
    return <TraceView trace={load.value} params={params} arrival={arrival} onReload={retry} />;
}

function titleOf(trace: Trace): string {
    const root = trace.spans[0]!;
    return `${visibleLine(cutText(root.name, 60))} · ${visibleLine(root.resource.service)} · kiseki`;
}

function TraceFailure({ traceId, failure, onRetry }: {
    traceId: string;
    failure: ApiFailure;
    onRetry: () => void;
}) {
    const shown = visibleLine(cutText(traceId, 64));
    if (failure.kind === 'not_found')
        return (
            <FailureState
                failure={new ApiFailure('not_found', `No trace ${shown} is stored here.`, 404)}
                onRetry={onRetry}
            >
                <p class="dim">
                    It may still be on its way, have been left out by sampling, or be older than this
                    server keeps traces.
                </p>
                <p><Link to="/search">Go to the search</Link></p>
            </FailureState>
        );
    if (failure.message === NOT_AN_ID)
        return (
            <EmptyState title="Not a trace id">
                <p>{NOT_AN_ID} This is none: {shown}</p>
                <p><Link to="/search">Go to the search</Link></p>
            </EmptyState>
        );
    return (
        <FailureState failure={failure} onRetry={onRetry}>
            <p class="dim">Asked for trace {shown}.</p>
            {failure.kind === 'too_large' && (
                <p><a href={tracePath(traceId)} download>Download its JSON instead</a></p>
            )}
            <p><Link to="/search">Go to the search</Link></p>
        </FailureState>
    );
}
