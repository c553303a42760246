/* States.tsx - what stands in place of an answer: still coming, none, or a failure. */
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { ApiFailure } from '../api/client';
import { formatBytes, visibleText } from '../format/text';

const SHOW_AFTER_MS = 150; /* an answer that is faster than this should not flicker */
const LONG_AFTER_MS = 4000;

export function LoadingState({ what, receivedBytes, onCancel }: {
    what: string;
    receivedBytes: number;
    onCancel: () => void;
}) {
    const [age, setAge] = useState<'new' | 'shown' | 'long'>('new');
    useEffect(() => {
        const show = setTimeout(() => setAge('shown'), SHOW_AFTER_MS);
        const long = setTimeout(() => setAge('long'), LONG_AFTER_MS);
        return () => {
            clearTimeout(show);
            clearTimeout(long);
        };
    }, []);
    if (age === 'new') return <div class="state" aria-busy="true" />;
    return (
        <div class="state" role="status" aria-busy="true">
            <div class="spinner" />
            <p>
                Loading {what}…{receivedBytes > 100_000 && ` ${formatBytes(receivedBytes)} so far`}
            </p>
            {age === 'long' && (
                <>
                    <p class="dim">This takes longer than usual.</p>
                    <button type="button" class="button" onClick={onCancel}>Cancel</button>
                </>
            )}
        </div>
    );
}

/** What to call it, and what the reader can do next. */
const WORDS: Readonly<Record<ApiFailure['kind'], readonly [title: string, advice: string]>> = {
    not_found: ['Not found', ''],
    bad_request: ['The server refused the question', 'Change the question; asking it again will not help.'],
    unreachable: ['Server unreachable', ''],
    unavailable: ['No answer just now', 'Wait a moment, then try again.'],
    server: ['The server failed', 'Its log (what kiseki serve prints) may say more.'],
    too_large: ['Too large to draw', ''],
    garbled: ['Unreadable answer', 'Something between this page and kiseki may have changed it: a proxy, perhaps.'],
    page: ['The page failed while drawing this', 'This is a fault of the page, not of your data.'],
    cancelled: ['Cancelled', ''],
};

export function FailureState({ failure, onRetry, children }: {
    failure: ApiFailure;
    onRetry: () => void;
    children?: ComponentChildren;
}) {
    const [title, advice] = WORDS[failure.kind];
    return (
        <div class="state" role="alert">
            <h2>{title}</h2>
            <p>{visibleText(failure.message)}</p>
            {advice && <p class="dim">{advice}</p>}
            {failure.kind === 'unreachable' && (
                <p class="dim">Is <code>kiseki serve</code> running at {location.host}?</p>
            )}
            {children}
            <button type="button" class="button" onClick={onRetry}>Try again</button>
        </div>
    );
}

export function EmptyState({ title, children }: { title: string; children?: ComponentChildren }) {
    return (
        <div class="state" role="status">
            <h2>{title}</h2>
            {children}
        </div>
    );
}
