/* CopyButton.tsx - copies a text and says that it did. */
import { useState } from 'preact/hooks';
import { Icon } from './Icon';

const THANKS_MS = 1500;

export function CopyButton({ text, label, caption }: {
    text: string | (() => string);
    label: string;
    caption?: string;
}) {
    const [done, setDone] = useState(false);
    const copy = async (event: Event) => {
        event.stopPropagation();
        if (!(await copyText(typeof text === 'function' ? text() : text))) return;
        setDone(true);
        setTimeout(() => setDone(false), THANKS_MS);
    };
    return (
        <button
            type="button"
            class={caption ? 'button quiet' : 'icon-button small'}
            title={label}
            aria-label={done ? 'Copied' : label}
            onClick={copy}
        >
            <Icon name={done ? 'check' : caption ? 'link' : 'copy'} />
            {caption && <span>{done ? 'Copied' : caption}</span>}
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
