/* SearchPage.tsx - the form beside its answer.
 *
 * The address decides what is asked; the form only proposes a new address. An address without
 * times (a fresh visit) asks for the last hour and stays as it is. "Live" asks the same again and
 * again with the clock, and leaves address and form alone.
 */
import { useMemo, useState } from 'preact/hooks';
import { fetchServices } from '../api/services';
import { fetchSummaries, summariesPath, type SummaryPage } from '../api/summaries';
import { FailureState, LoadingState } from '../parts/States';
import { useLoad } from '../parts/use_load';
import { navigate, replace } from '../router';
import { checkForm, formFromParams, formToParams, queryOf, rangeOf, type Form } from './form';
import { NoResults, NoTracesYet } from './Empty';
import { Results } from './Results';
import { SearchForm } from './SearchForm';
import { useLive, type Live } from './use_live';

export function SearchPage({ params }: { params: URLSearchParams }) {
    const text = params.toString();
    const asked = useMemo(() => formFromParams(params), [text]);
    const [arrivedMs, setArrived] = useState(() => Date.now());
    const live = useLive(asked.form.lookback !== 'custom');
    const range = useMemo(() => {
        if (live.nowMs) return rangeOf(asked.form, live.nowMs);
        return asked.range ?? rangeOf(asked.form, arrivedMs);
    }, [asked, arrivedMs, live.nowMs]);
    const services = useLoad(`services ${arrivedMs}`, fetchServices);
    const names = services.load.state === 'done' ? services.load.value : [];

    const search = (form: Form, go: (to: string) => void) => {
        const now = Date.now();
        setArrived(now);
        go(`/search?${formToParams(form, rangeOf(form, now))}`);
    };
    return (
        <div class="search-page">
            <SearchForm initial={asked.form} services={names} onSearch={(form) => search(form, navigate)} />
            <section class="results" aria-label="Traces found">
                <Answer
                    form={asked.form}
                    range={range}
                    knowsServices={services.load.state === 'done' && names.length > 0}
                    permalink={`/search?${formToParams(asked.form, range)}`}
                    live={live}
                    onAgain={() => search(asked.form, replace)}
                />
            </section>
        </div>
    );
}

const NOTHING: SummaryPage = { rows: [], next: '' };

interface AnswerProps {
    form: Form;
    range: ReturnType<typeof rangeOf>;
    knowsServices: boolean;
    permalink: string;
    live: Live;
    onAgain: () => void;
}

function Answer({ form, range, knowsServices, permalink, live, onAgain }: AnswerProps) {
    const isSound = Object.keys(checkForm(form)).length === 0;
    const query = queryOf(form, range);
    const { load, stale, retry, cancel } = useLoad(isSound ? summariesPath(query) : 'nothing', (options) =>
        isSound ? fetchSummaries(query, options) : Promise.resolve(NOTHING),
    );
    if (!isSound) return <div class="state"><p>The form needs mending before it can be asked.</p></div>;
    const isWaiting = load.state === 'loading' && stale !== null && stale.rows.length > 0;
    if (load.state === 'loading' && !isWaiting)
        return <LoadingState what="traces" receivedBytes={load.receivedBytes} onCancel={cancel} />;
    if (load.state === 'failed') return <FailureState failure={load.failure} onRetry={retry} />;
    const page = load.state === 'done' ? load.value : stale ?? NOTHING;
    if (page.rows.length === 0)
        return knowsServices ? <NoResults onAgain={onAgain} /> : <NoTracesYet onAgain={onAgain} />;
    return (
        <div class={isWaiting ? 'waiting' : ''} aria-busy={isWaiting}>
            <Results
                page={page}
                query={query}
                permalink={permalink}
                live={live}
                onAgain={onAgain}
            />
            {isWaiting && (
                <LoadingState what="traces" receivedBytes={load.receivedBytes} onCancel={cancel} />
            )}
        </div>
    );
}
