/* SearchPage.tsx - the form beside its answer.
 *
 * The address decides what is asked; the form only proposes a new address. An address without
 * times (a fresh visit) asks for the hour before one arrived and stays as it is. "Refresh" asks the
 * same of now, "Live" again and again; both leave alone what is in the form. How the list is ordered
 * is in the address too, but is no part of the question.
 */
import { useMemo, useState } from 'preact/hooks';
import { fetchServices, OTHER_SERVICES } from '../api/services';
import { fetchSummaries, summariesPath, type SummaryPage, type SummaryQuery } from '../api/summaries';
import { EmptyState, FailureState, LoadingState } from '../parts/States';
import { useLoad, type Loading } from '../parts/use_load';
import { navigate, replace } from '../router';
import { checkForm, formFromParams, formToParams, hasProblem, queryOf, rangeOf, type Form, type Range }
    from './form';
import { NoResults, NoTracesYet } from './Empty';
import { Results } from './Results';
import { SearchForm } from './SearchForm';
import { useLive, useTicks, type Live } from './use_live';

export function SearchPage({ params, arrival }: { params: URLSearchParams; arrival: number }) {
    const order = params.get('order') ?? '';
    const text = addressOf(params, '');
    const asked = useMemo(() => formFromParams(params), [text, arrival]);
    const initial = useMemo(() => asked.form, [arrival]);
    const [round, setRound] = useState(0);
    const arrivedMs = useMemo(() => Date.now(), [text, arrival, round]);
    const live = useLive(asked.form.lookback !== 'custom', arrivedMs);
    const range = useMemo(() => {
        if (live.nowMs) return rangeOf(asked.form, live.nowMs);
        return asked.range ?? rangeOf(asked.form, arrivedMs);
    }, [asked, arrivedMs, live.nowMs]);
    const services = useLoad(`services ${arrivedMs}`, fetchServices);
    const names = services.load.state === 'done' ? services.load.value : [];

    const search = (form: Form, go: (to: string) => void) => {
        go(addressOf(formToParams(form, rangeOf(form, Date.now())), order));
        setRound(round + 1);
    };
    return (
        <div class="search-page">
            <SearchForm initial={initial} services={names} onSearch={(form) => search(form, navigate)} />
            <section class="results" aria-label="Traces found">
                <Answer
                    form={asked.form}
                    range={range}
                    askedMs={live.nowMs || arrivedMs}
                    services={services}
                    order={order}
                    setOrder={(next) => replace(addressOf(params, next))}
                    live={live}
                    onAgain={() => search(asked.form, replace)}
                    onSearch={(form) => search(form, navigate)}
                />
            </section>
        </div>
    );
}

function addressOf(params: URLSearchParams, order: string): string {
    const all = new URLSearchParams(params);
    if (order) all.set('order', order);
    else all.delete('order');
    return `/search?${all}`;
}

/** A list that is full may lack it. */
function isListed(service: string, services: readonly string[]): boolean {
    return !service || services.includes(service) || services.includes(OTHER_SERVICES);
}

const NOTHING: SummaryPage = { rows: [], next: '' };

interface AnswerProps {
    form: Form;
    range: Range;
    /** the same question at another moment is another question */
    askedMs: number;
    services: Loading<string[]>;
    order: string;
    setOrder: (order: string) => void;
    live: Live;
    onAgain: () => void;
    onSearch: (form: Form) => void;
}

/** An answer stays beside its question: it may be shown while the next one is asked. */
interface Answered {
    page: SummaryPage;
    query: SummaryQuery;
    form: Form;
    range: Range;
}

function Answer(props: AnswerProps) {
    const { form, range, askedMs, services, live, order, onAgain } = props;
    const isSound = !hasProblem(checkForm(form));
    const query = queryOf(form, range);
    const key = isSound ? `${askedMs} ${summariesPath(query)}` : 'nothing';
    const { load: latest, stale, retry, cancel } = useLoad<Answered>(key, async (options) => ({
        page: isSound ? await fetchSummaries(query, options) : NOTHING, query, form, range,
    }));
    const load = useTicks(live, latest);
    const onCancel = () => {
        live.stop();
        cancel();
    };
    if (!isSound)
        return (
            <EmptyState title="Not asked yet">
                <p>Mend the fields marked in red, then press “Find traces”.</p>
            </EmptyState>
        );
    if (load.state === 'failed')
        return (
            <FailureState
                failure={load.failure}
                onRetry={() => {
                    services.retry();
                    retry();
                }}
            />
        );
    const isWaiting = load.state === 'loading';
    const answered = isWaiting ? stale : load.value;
    if (!answered || (isWaiting && answered.page.rows.length === 0))
        return (
            <LoadingState
                what="traces"
                receivedBytes={isWaiting ? load.receivedBytes : 0}
                onCancel={onCancel}
            />
        );
    if (answered.page.rows.length === 0) {
        /* whether the store is empty, or only this answer, is what the services tell */
        const known = services.load;
        if (known.state === 'loading')
            return <LoadingState what="services" receivedBytes={0} onCancel={services.cancel} />;
        if (known.state === 'done' && known.value.length === 0)
            return <NoTracesYet onAgain={onAgain} />;
        return (
            <NoResults
                form={answered.form}
                range={answered.range}
                isServiceKnown={known.state !== 'done' || isListed(answered.form.service, known.value)}
                onAgain={onAgain}
                onSearch={props.onSearch}
            />
        );
    }
    return (
        <div class={isWaiting ? 'waiting' : ''} aria-busy={isWaiting}>
            <Results
                page={answered.page}
                query={answered.query}
                range={answered.range}
                isAnyTime={answered.form.lookback === 'all'}
                order={order}
                setOrder={props.setOrder}
                permalink={addressOf(formToParams(answered.form, answered.range), order)}
                live={live}
                onAgain={onAgain}
            />
            {isWaiting && (
                <LoadingState what="traces" receivedBytes={load.receivedBytes} onCancel={onCancel} />
            )}
        </div>
    );
}
