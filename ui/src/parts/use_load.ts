/* use_load.ts - an answer on its way: loading (and how far), there, or failed.
 *
 * A new key cancels the old question, so an old answer never replaces a newer one. `stale` is the
 * last answer that came, for those who would rather show that, dimmed, than nothing.
 */
import { useCallback, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { ApiFailure, isAbort, type GetOptions } from '../api/client';

export type Load<T> =
    | { state: 'loading'; receivedBytes: number }
    | { state: 'done'; value: T }
    | { state: 'failed'; failure: ApiFailure };

export interface Loading<T> {
    load: Load<T>;
    stale: T | null;
    retry: () => void;
    cancel: () => void;
}

const PROGRESS_EVERY_MS = 200;

export function useLoad<T>(key: string, ask: (options: GetOptions) => Promise<T>): Loading<T> {
    const [shown, setShown] = useState<{ key: string; load: Load<T> }>(() => starting(key));
    const [round, setRound] = useState(0);
    const controller = useRef<AbortController | null>(null);
    const stale = useRef<T | null>(null);
    useLayoutEffect(() => {
        const abort = new AbortController();
        controller.current = abort;
        setShown(starting(key));
        let last = 0;
        const onProgress = (receivedBytes: number) => {
            if (abort.signal.aborted || performance.now() - last < PROGRESS_EVERY_MS) return;
            last = performance.now();
            setShown({ key, load: { state: 'loading', receivedBytes } });
        };
        ask({ signal: abort.signal, onProgress }).then(
            (value) => {
                if (abort.signal.aborted) return;
                stale.current = value;
                setShown({ key, load: { state: 'done', value } });
            },
            (error: unknown) => {
                if (isAbort(error)) return;
                setShown({ key, load: { state: 'failed', failure: asFailure(error) } });
            },
        );
        return () => abort.abort();
    }, [key, round]);
    const cancel = useCallback(() => {
        controller.current?.abort();
        const failure = new ApiFailure('cancelled', 'Nothing is being asked now.');
        setShown((was) => ({ key: was.key, load: { state: 'failed', failure } }));
    }, []);
    const retry = useCallback(() => setRound((n) => n + 1), []);
    /* in the render before the effect runs, the old answer must not pass for the new one */
    const load = shown.key === key ? shown.load : starting<T>(key).load;
    return { load, stale: stale.current, retry, cancel };
}

function starting<T>(key: string): { key: string; load: Load<T> } {
    return { key, load: { state: 'loading', receivedBytes: 0 } };
}

function asFailure(error: unknown): ApiFailure {
    if (error instanceof ApiFailure) return error;
    const text = error instanceof Error ? error.message : String(error);
    return new ApiFailure('garbled', `The page could not read the answer: ${text}`);
}
