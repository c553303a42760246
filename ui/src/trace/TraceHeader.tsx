/* TraceHeader.tsx - what this trace is: name, id, size, services, and what is odd about it. */
import { useMemo, useState } from 'preact/hooks';
import { tracePath } from '../api/otlp';
import { formatDuration } from '../format/duration';
import { counted, cutText, titleText, visibleLine } from '../format/text';
import { formatInstant, zoneName } from '../format/time';
import { CopyButton } from '../parts/CopyButton';
import { Icon } from '../parts/Icon';
import { ServiceLabel, serviceTitle } from '../parts/ServiceLabel';
import { useStore } from '../parts/store';
import { zoneSetting } from '../settings';
import { serviceTerm } from './find';
import { hasBadTimes, skewOf, type Trace } from './model';
import { ODD_CYCLE, ODD_DUPLICATE, ODD_SELF } from './tree';

const NAME_CHARS_MAX = 300;

export function TraceHeader({ trace, link, onReload, onFind, onNextError }: {
    trace: Trace;
    /** the address of what is seen now */
    link: string;
    onReload: () => void;
    onFind: (text: string) => void;
    onNextError: () => void;
}) {
    const root = trace.spans[0]!;
    return (
        <header class="trace-head">
            <div class="title">
                <h1>
                    <bdi class="service" title={titleText(root.resource.service)}>
                        {visibleLine(cutText(root.resource.service, NAME_CHARS_MAX))}
                    </bdi>{' '}
                    <bdi class="operation" title={titleText(root.name)}>
                        {visibleLine(cutText(root.name, NAME_CHARS_MAX)) || '(no name)'}
                    </bdi>
                </h1>
                <div class="actions">
                    <button type="button" class="button quiet" onClick={onReload}>Reload</button>
                    <a class="button quiet" href={tracePath(trace.traceId)} target="_blank" rel="noopener">
                        JSON
                    </a>
                    <CopyButton
                        text={() => location.origin + link}
                        label="Copy a link to this view"
                        caption="Copy link"
                    />
                </div>
            </div>
            <Facts trace={trace} onNextError={onNextError} />
            <Services trace={trace} onFind={onFind} />
            <Oddities trace={trace} />
        </header>
    );
}

function Facts({ trace, onNextError }: { trace: Trace; onNextError: () => void }) {
    const zone = useStore(zoneSetting);
    const { start } = trace;
    return (
        <div class="facts">
            <span class="trace-id" title={trace.traceId}>
                <code>{visibleLine(trace.traceId)}</code>
                <CopyButton text={trace.traceId} label="Copy trace id" />
            </span>
            <time title={`${formatInstant(start, zone, 9)} ${zoneName(start, zone)}`}>
                {formatInstant(start, zone, 3)} <span class="dim">{zoneName(start, zone)}</span>
            </time>
            <span><b>{formatDuration(trace.durationNs)}</b></span>
            <span>{counted(trace.spans.length, 'span')}</span>
            <span>{counted(trace.services.length, 'service')}</span>
            <span>{counted(trace.tree.depthMax + 1, 'level')}</span>
            {trace.errorCount > 0 && (
                <button
                    type="button"
                    class="as-link error"
                    title="Go to the next error (e)"
                    onClick={onNextError}
                >
                    <Icon name="error" />{counted(trace.errorCount, 'error')}
                </button>
            )}
        </div>
    );
}

const SERVICES_SHOWN = 10;

function Services({ trace, onFind }: { trace: Trace; onFind: (text: string) => void }) {
    const [all, setAll] = useState(false);
    const shown = all ? trace.services : trace.services.slice(0, SERVICES_SHOWN);
    const more = trace.services.length - shown.length;
    return (
        <div class="chips legend">
            {shown.map((service) => (
                <button
                    type="button"
                    key={service.name}
                    class="chip"
                    title={`${serviceTitle(service)}. Press to find them.`}
                    onClick={() => onFind(serviceTerm(service.name))}
                >
                    <ServiceLabel service={service} />
                </button>
            ))}
            {more > 0 && (
                <button type="button" class="chip" onClick={() => setAll(true)}>
                    and {more} more
                </button>
            )}
        </div>
    );
}

function Oddities({ trace }: { trace: Trace }) {
    const lines = useMemo(() => odditiesOf(trace), [trace]);
    if (lines.length === 0) return null;
    return (
        <p class="oddities" role="note">
            <Icon name="warn" />
            <span>{lines.join(' ')}</span>
        </p>
    );
}

function odditiesOf(trace: Trace): string[] {
    const { odd, orphanCount } = trace.tree;
    const count = (flag: number) => odd.reduce((n, flags) => n + (flags & flag ? 1 : 0), 0);
    const badTimes = trace.spans.reduce((n, span) => n + (hasBadTimes(span) ? 1 : 0), 0);
    const skewed = trace.spans.reduce((n, _span, row) => n + (skewOf(trace, row) ? 1 : 0), 0);
    return [
        orphanCount > 0 &&
            `Incomplete: the parent of ${counted(orphanCount, 'span')} has not arrived (yet).`,
        count(ODD_CYCLE) > 0 &&
            `Parents form ${counted(count(ODD_CYCLE), 'circle')}; each is cut at its first span.`,
        count(ODD_SELF) > 0 && `${counted(count(ODD_SELF), 'span')} named as its own parent.`,
        count(ODD_DUPLICATE) > 0 && `${counted(count(ODD_DUPLICATE), 'span')} with an id seen before.`,
        badTimes > 0 && `${counted(badTimes, 'span')} without a sound start and end.`,
        skewed > 0 && `${counted(skewed, 'span')} started outside of the parent’s time: clocks may differ.`,
    ].filter((line): line is string => Boolean(line));
}
