/* Empty.tsx - nothing found: because nothing ever came, or because nothing matches. */
import { commandFor, endpointsOf, fetchServer, loadCommandFor, usualEndpoints, type Endpoints }
    from '../api/server';
import { CopyButton } from '../parts/CopyButton';
import { EmptyState, LoadingState } from '../parts/States';
import { useLoad } from '../parts/use_load';
import { cutText, visibleLine } from '../format/text';
import { hasConditions, withoutConditions, type Form, type Range } from './form';
import { RangeText } from './RangeText';

export function NoTracesYet({ onAgain }: { onAgain: () => void }) {
    const host = location.hostname || 'localhost';
    const { load } = useLoad('server', fetchServer);
    if (load.state === 'loading')
        return <LoadingState what="the server’s addresses" receivedBytes={0} onCancel={() => {}} />;
    const isTold = load.state === 'done' && load.value.listeners.length > 0;
    const endpoints = isTold ? endpointsOf(load.value, host) : usualEndpoints(host);
    return (
        <EmptyState title="No traces yet">
            <HowToSend endpoints={endpoints} />
            <p class="dim">
                {isTold
                    ? load.value.promise && <>This server {load.value.promise}.</>
                    : <>These are the default ports; <code>kiseki serve</code> prints its own when it starts.</>}
            </p>
            <button type="button" class="button" onClick={onAgain}>Look again</button>
        </EmptyState>
    );
}

function HowToSend({ endpoints }: { endpoints: Endpoints }) {
    const command = commandFor(endpoints);
    const load = loadCommandFor(endpoints);
    if (!command)
        return (
            <p>
                This server takes no spans over the network: start <code>kiseki serve</code> with
                {' '}<code>--otlp-http</code> or <code>--otlp-grpc</code> and an address.
            </p>
        );
    return (
        <>
            <p>Point any OpenTelemetry SDK or Collector at this server:</p>
            <Snippet command={command} />
            <dl class="endpoints">
                {endpoints.http && <Endpoint name="OTLP over HTTP" url={endpoints.http} />}
                {endpoints.grpc && <Endpoint name="OTLP over gRPC" url={endpoints.grpc} />}
            </dl>
            <p>To see something at once, let kiseki make a load of spans:</p>
            <Snippet command={load} />
            <p class="dim">
                In a checkout, <code>./dev demo</code> starts a server of its own with three services
                that trace a shop.
            </p>
        </>
    );
}

function Snippet({ command }: { command: string }) {
    return (
        <div class="snippet">
            <code>{command}</code>
            <CopyButton text={command} label="Copy the command" />
        </div>
    );
}

function Endpoint({ name, url }: { name: string; url: string }) {
    return (
        <>
            <dt>{name}</dt>
            <dd><code>{url}</code></dd>
        </>
    );
}

export function NoResults({ form, range, isServiceKnown, onAgain, onSearch }: {
    form: Form;
    range: Range;
    isServiceKnown: boolean;
    onAgain: () => void;
    onSearch: (form: Form) => void;
}) {
    const isAnyTime = form.lookback === 'all';
    return (
        <EmptyState title="No trace matches">
            <p>
                Searched: <RangeText range={range} isAnyTime={isAnyTime} />
                {form.service && <>, service <b><bdi>{visibleLine(cutText(form.service, 120))}</bdi></b></>}
            </p>
            {!isServiceKnown && <p>There is no such service.</p>}
            <div class="buttons">
                {!isAnyTime && isServiceKnown && (
                    <button
                        type="button"
                        class="button primary"
                        onClick={() => onSearch({ ...form, lookback: 'all' })}
                    >
                        Search any time
                    </button>
                )}
                {hasConditions(form) && (
                    <button
                        type="button"
                        class="button"
                        onClick={() => onSearch(withoutConditions(form))}
                    >
                        Drop the conditions
                    </button>
                )}
                <button type="button" class="button" onClick={onAgain}>Look again</button>
            </div>
        </EmptyState>
    );
}
