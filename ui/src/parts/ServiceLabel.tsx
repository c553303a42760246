/* ServiceLabel.tsx - what stands in a service's chip: its colour, its name, its spans, and a mark
 * where some of them failed. */
import type { ServiceCount } from '../api/summaries';
import { colorOf } from '../format/color';
import { counted, cutText, formatCount, visibleLine } from '../format/text';
import { Icon } from './Icon';

const NAME_CHARS_MAX = 60;

export function ServiceLabel({ service }: { service: ServiceCount }) {
    const { name, spanCount, errorCount } = service;
    return (
        <>
            <i style={{ background: colorOf(name) }} />
            <bdi>{visibleLine(cutText(name, NAME_CHARS_MAX))}</bdi>
            <b>{formatCount(spanCount)}</b>
            {errorCount > 0 && (
                <span class="error" role="img" aria-label={counted(errorCount, 'error')}>
                    <Icon name="error" />
                </span>
            )}
        </>
    );
}

/** "payments: 3 spans, 2 errors" */
export function serviceTitle({ name, spanCount, errorCount }: ServiceCount): string {
    const errors = errorCount > 0 ? `, ${counted(errorCount, 'error')}` : '';
    return `${visibleLine(cutText(name, 120))}: ${counted(spanCount, 'span')}${errors}`;
}
