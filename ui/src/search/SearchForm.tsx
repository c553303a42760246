/* SearchForm.tsx - the conditions. Nothing is asked until "Find traces". */
import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useState } from 'preact/hooks';
import { fetchOperations } from '../api/services';
import { fromInputValue, toInputValue } from '../format/time';
import { visibleLine } from '../format/text';
import { Icon } from '../parts/Icon';
import { useStore } from '../parts/store';
import { useLoad } from '../parts/use_load';
import { zoneSetting } from '../settings';
import { checkForm, EMPTY_FORM, hasProblem, LOOKBACKS, rangeOf, type Form, type Problems }
    from './form';
import { millisOf } from '../format/instant';

export function SearchForm({ initial, services, onSearch }: {
    initial: Form;
    services: string[];
    onSearch: (form: Form) => void;
}) {
    const [form, setForm] = useState(initial);
    const [problems, setProblems] = useState<Problems>(() => checkForm(initial));
    const [isOpen, setOpen] = useState(() => hasProblem(checkForm(initial)));
    /* not after the paint: what somebody has begun to type by then would be lost */
    useLayoutEffect(() => {
        setForm(initial);
        setProblems(checkForm(initial));
        if (hasProblem(checkForm(initial))) setOpen(true);
    }, [initial]);
    const change = (part: Partial<Form>) => setForm((was) => ({ ...was, ...part }));
    const submit = (event: Event) => {
        event.preventDefault();
        const found = checkForm(form);
        setProblems(found);
        if (hasProblem(found)) setOpen(true);
        else onSearch(form);
    };
    return (
        <form class={`search-form ${isOpen ? 'open' : ''}`} role="search" onSubmit={submit} noValidate>
            <ServiceFields form={form} services={services} change={change} />
            <RangeFields form={form} problem={problems.range} change={change} />
            <button
                type="button"
                class="button quiet more"
                aria-expanded={isOpen}
                onClick={() => setOpen(!isOpen)}
            >
                <Icon name={isOpen ? 'up' : 'down'} />
                <span>{isOpen ? 'Fewer filters' : `More filters${setAside(form)}`}</span>
            </button>
            <DetailFields form={form} problems={problems} change={change} />
            <div class="buttons">
                <button type="submit" class="button primary">
                    <Icon name="search" />
                    <span>Find traces</span>
                </button>
                <button type="button" class="button quiet" onClick={() => setForm(EMPTY_FORM)}>
                    Clear
                </button>
            </div>
        </form>
    );
}

/** On a phone the rest of the form is folded away; what is set there must not go unnoticed. */
function setAside(form: Form): string {
    const { operation, tags, minDuration, maxDuration } = form;
    const count = [operation, tags, minDuration, maxDuration].filter((text) => text.trim()).length;
    return count > 0 ? ` (${count} set)` : '';
}

interface FieldsProps {
    form: Form;
    change: (part: Partial<Form>) => void;
}

function ServiceFields({ form, services, change }: FieldsProps & { services: string[] }) {
    const { load } = useLoad(`operations ${form.service}`, (options) =>
        form.service ? fetchOperations(form.service, options) : Promise.resolve([]),
    );
    const operations = load.state === 'done' ? load.value : [];
    const names = withCurrent(services, form.service);
    return (
        <>
            <Field label="Service">
                {(id) => (
                    <select
                        id={id}
                        value={form.service}
                        onChange={(e) => change({ service: e.currentTarget.value, operation: '' })}
                    >
                        <option value="">All services</option>
                        {names.map((name) => (
                            <option key={name} value={name}>{visibleLine(name)}</option>
                        ))}
                    </select>
                )}
            </Field>
            <Field label="Operation" extra>
                {(id) => (
                    <select
                        id={id}
                        value={form.operation}
                        disabled={!form.service}
                        onChange={(e) => change({ operation: e.currentTarget.value })}
                    >
                        <option value="">
                            {form.service ? 'All operations' : 'Choose a service first'}
                        </option>
                        {withCurrent(operations.map((o) => o.name), form.operation).map((name) => (
                            <option key={name} value={name}>
                                {visibleLine(name)}
                                {kindOf(operations, name)}
                            </option>
                        ))}
                    </select>
                )}
            </Field>
        </>
    );
}

/** A permalink may name what is no longer listed; it stays chosen and visible. */
function withCurrent(names: string[], current: string): string[] {
    return current && !names.includes(current) ? [current, ...names] : names;
}

function kindOf(operations: { name: string; kind: string }[], name: string): string {
    const kind = operations.find((operation) => operation.name === name)?.kind;
    return kind ? ` · ${kind}` : '';
}

function RangeFields({ form, problem, change }: FieldsProps & { problem: string | undefined }) {
    const zone = useStore(zoneSetting);
    const choose = (lookback: string) => {
        if (lookback !== 'custom') return change({ lookback });
        const range = rangeOf(form.lookback === 'all' ? EMPTY_FORM : form, Date.now());
        return change({ lookback, startMs: millisOf(range.start), endMs: millisOf(range.end) });
    };
    const time = (ms: number | null, set: (ms: number | null) => void, label: string) => (
        <Field label={`${label} (${zone === 'utc' ? 'UTC' : 'local time'})`}>
            {(id) => (
                <input
                    id={id}
                    type="datetime-local"
                    step="1"
                    value={ms === null ? '' : toInputValue(ms, zone)}
                    onInput={(e) => set(fromInputValue(e.currentTarget.value, zone))}
                />
            )}
        </Field>
    );
    return (
        <>
            <Field label="Time" problem={form.lookback === 'custom' ? undefined : problem}>
                {(id) => (
                    <select
                        id={id}
                        value={form.lookback}
                        onChange={(e) => choose(e.currentTarget.value)}
                    >
                        {LOOKBACKS.map(([value, label]) => (
                            <option key={value} value={value}>{label}</option>
                        ))}
                    </select>
                )}
            </Field>
            {form.lookback === 'custom' && (
                <div class="custom-range">
                    {time(form.startMs, (startMs) => change({ startMs }), 'From')}
                    {time(form.endMs, (endMs) => change({ endMs }), 'To')}
                    {problem && <p class="problem" role="alert">{problem}</p>}
                </div>
            )}
        </>
    );
}

function DetailFields({ form, problems, change }: FieldsProps & { problems: Problems }) {
    const textInput = (
        name: 'tags' | 'minDuration' | 'maxDuration' | 'limit', label: string, placeholder: string,
    ) => (
        <Field label={label} problem={problems[name]} extra>
            {(id, problemId) => (
                <input
                    id={id}
                    type="text"
                    aria-describedby={problemId}
                    inputMode={name === 'limit' ? 'numeric' : 'text'}
                    placeholder={placeholder}
                    spellcheck={false}
                    autocomplete="off"
                    aria-invalid={Boolean(problems[name])}
                    value={form[name]}
                    onInput={(e) => change({ [name]: e.currentTarget.value })}
                />
            )}
        </Field>
    );
    return (
        <>
            {textInput('tags', 'Tags', 'error=true user="Jane Doe"')}
            <div class="pair extra">
                {textInput('minDuration', 'Min duration', '300ms')}
                {textInput('maxDuration', 'Max duration', '1.5s')}
            </div>
            {textInput('limit', 'Limit', '20')}
        </>
    );
}

let fieldCount = 0;

function Field({ label, problem, extra, children }: {
    label: string;
    problem?: string | undefined;
    extra?: boolean;
    children: (id: string, problemId: string | undefined) => ComponentChildren;
}) {
    const [id] = useState(() => `field-${++fieldCount}`);
    const problemId = problem ? `${id}-problem` : undefined;
    return (
        <div class={`field ${extra ? 'extra' : ''} ${problem ? 'wrong' : ''}`}>
            <label for={id}>{label}</label>
            {children(id, problemId)}
            {problem && <p class="problem" role="alert" id={problemId}>{problem}</p>}
        </div>
    );
}
