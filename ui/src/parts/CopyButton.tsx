/* CopyButton.tsx - copies a text and says that it did, or could not. */
import { useState } from 'preact/hooks';
import { Icon } from './Icon';

const SAID_MS = 1500;

const SAID = { done: 'Copied', failed: 'The browser refuses to copy' } as const;

const ICONS = { done: 'check', failed: 'error' } as const;

export function CopyButton({ text, label, caption }: {
    text: string | (() => string);
    label: string;
    caption?: string;
}) {
    const [outcome, setOutcome] = useState<keyof typeof SAID | null>(null);
    const copy = async (event: Event) => {
        event.stopPropagation();
        const isDone = await copyText(typeof text === 'function' ? text() : text);
        setOutcome(isDone ? 'done' : 'failed');
        setTimeout(() => setOutcome(null), SAID_MS);
    };
    const said = outcome && SAID[outcome];
    return (
        <button
            type="button"
            class={caption ? 'button quiet' : 'icon-button small'}
            title={said ?? label}
            aria-label={said ?? label}
            onClick={copy}
        >
            <Icon name={outcome ? ICONS[outcome] : caption ? 'link' : 'copy'} />
            {caption && <span>{said ?? caption}</span>}
            <span class="unseen" role="status">{said}</span>
        </button>
    );
}

/** The clipboard API exists on https and localhost only; elsewhere the old way still works. */
async function copyText(text: string): Promise<boolean> {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        const area = document.createElement('textarea');
        area.value = text;
        document.body.append(area);
        area.select();
        const done = document.execCommand('copy');
        area.remove();
        return done;
    }
}
