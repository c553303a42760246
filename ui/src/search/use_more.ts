/* use_more.ts - the rows after the last one, page by page, as long as the server has a token. */
import { useLayoutEffect, useMemo, useState } from 'preact/hooks';
import { isAbort } from '../api/client';
import { fetchSummaries, type Summary, type SummaryPage, type SummaryQuery } from '../api/summaries';

export interface More {
    rows: Summary[];
    /** empty: no further page */
    next: string;
    /** as many as were asked for, and no token: whether there are more cannot be known */
    mayBeMore: boolean;
    isBusy: boolean;
    problem: string;
    load: () => void;
}

export function useMore(first: SummaryPage, query: SummaryQuery): More {
    const [got, setGot] = useState({ first, pages: [first] });
    const [token, setToken] = useState('');
    const [problem, setProblem] = useState('');
    /* a new answer starts over; until the state follows, its pages are these */
    const pages = got.first === first ? got.pages : [first];
    const next = pages[pages.length - 1]!.next;
    const isBusy = token !== '' && token === next;
    useLayoutEffect(() => {
        setGot({ first, pages: [first] });
        setToken('');
        setProblem('');
    }, [first]);
    /* not after the paint: a new first page ends the question for older ones before its answer can come */
    useLayoutEffect(() => {
        if (!token) return undefined;
        const abort = new AbortController();
        fetchSummaries(query, { signal: abort.signal }, token).then(
            (page) => setGot((was) => ({ ...was, pages: [...was.pages, page] })),
            (error: unknown) => {
                if (isAbort(error)) return;
                setProblem(error instanceof Error ? error.message : String(error));
                setToken('');
            },
        );
        return () => abort.abort();
    }, [token]);
    const rows = useMemo(() => joinPages(pages), [got, first]);
    return {
        rows,
        next,
        mayBeMore: !next && rows.length >= query.limit && pages.length === 1,
        isBusy,
        problem,
        load: () => {
            setProblem('');
            setToken(next);
        },
    };
}

/** A trace that grew between two pages may be in both; the first place is kept. */
export function joinPages(pages: readonly SummaryPage[]): Summary[] {
    const rows = new Map<string, Summary>();
    for (const page of pages)
        for (const row of page.rows) if (!rows.has(row.traceId)) rows.set(row.traceId, row);
    return [...rows.values()];
}
