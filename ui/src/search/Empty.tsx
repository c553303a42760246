/* Empty.tsx - nothing found: because nothing ever came, or because nothing matches. */
import { CopyButton } from '../parts/CopyButton';
import { EmptyState } from '../parts/States';
import { cutText, visibleLine } from '../format/text';
import { hasConditions, withoutConditions, type Form, type Range } from './form';
import { RangeText } from './RangeText';

export function NoTracesYet({ onAgain }: { onAgain: () => void }) {
    const host = location.hostname || 'localhost';
    const command = `OTEL_EXPORTER_OTLP_ENDPOINT=http://${host}:4318 ./your-program`;
    return (
        <EmptyState title="No traces yet">
            <p>Point any OpenTelemetry SDK or Collector at this server:</p>
            <div class="snippet">
                <code>{command}</code>
                <CopyButton text={command} label="Copy the command" />
            </div>
            <dl class="endpoints">
                <dt>OTLP over HTTP</dt>
                <dd><code>http://{host}:4318</code></dd>
                <dt>OTLP over gRPC</dt>
                <dd><code>http://{host}:4317</code></dd>
            </dl>
            <p class="dim">
                These are the default ports; <code>kiseki serve</code> prints its own when it starts.
            </p>
            <button type="button" class="button" onClick={onAgain}>Look again</button>
        </EmptyState>
    );
}

export function NoResults({ form, range, onAgain, onSearch }: {
    form: Form;
    range: Range;
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
            <div class="buttons">
                {!isAnyTime && (
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
