/* KeyHelp.tsx - the list of keys, made from the table that the keyboard itself uses. */
import { useLayoutEffect, useRef } from 'preact/hooks';
import { Icon } from '../parts/Icon';
import { KEYS } from './use_keys';

const SHOWN: Readonly<Record<string, string>> = {
    ArrowDown: '↓', ArrowUp: '↑', ArrowLeft: '←', ArrowRight: '→', Escape: 'Esc', 'Ctrl+f': 'Ctrl F',
};

export function KeyHelp({ onClose }: { onClose: () => void }) {
    const ref = useRef<HTMLDialogElement>(null);
    useLayoutEffect(() => ref.current?.showModal(), []);
    return (
        <dialog
            ref={ref}
            class="key-help"
            aria-label="Keyboard"
            onClose={onClose}
            onClick={(e) => e.target === ref.current && ref.current?.close()}
        >
            <header>
                <h2>Keyboard</h2>
                <button
                    type="button"
                    class="icon-button"
                    aria-label="Close"
                    onClick={() => ref.current?.close()}
                >
                    <Icon name="close" />
                </button>
            </header>
            <dl>
                {KEYS.filter((key) => key.help).map((key) => (
                    <div key={key.help}>
                        <dt>{key.keys.map((name) => <kbd key={name}>{SHOWN[name] ?? name}</kbd>)}</dt>
                        <dd>{key.help}</dd>
                    </div>
                ))}
            </dl>
        </dialog>
    );
}
