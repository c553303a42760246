/* Toolbar.tsx - find, fold, zoom back, keys. */
import { counted, formatCount } from '../format/text';
import { Icon } from '../parts/Icon';
import { foldAll, foldOneLevel, unfoldAll, unfoldOneLevel, type Folds } from './fold';
import type { Trace } from './model';
import { focusRows } from './use_keys';
import type { Find } from './use_find';

interface ToolbarProps {
    trace: Trace;
    folded: Folds;
    setFolded: (folds: Folds) => void;
    text: string;
    setText: (text: string) => void;
    find: Find;
    /** which of the matches is the chosen span; -1 if none is */
    matchPlace: number;
    isZoomed: boolean;
    onResetZoom: () => void;
    onHelp: () => void;
}

export function Toolbar(props: ToolbarProps) {
    const { tree } = props.trace;
    const folding: ReadonlyArray<readonly [label: string, sign: string, act: () => void]> = [
        ['Fold one level', '−', () => props.setFolded(foldOneLevel(tree, props.folded))],
        ['Unfold one level', '+', () => props.setFolded(unfoldOneLevel(tree, props.folded))],
        ['Fold all', 'Fold all', () => props.setFolded(foldAll(tree))],
        ['Unfold all', 'Unfold all', () => props.setFolded(unfoldAll(tree))],
    ];
    return (
        <div class="toolbar" role="toolbar" aria-label="Trace tools">
            <FindBox {...props} />
            <div class="group" role="group" aria-label="Folding">
                <span class="dim">Levels</span>
                {folding.map(([label, sign, act]) => (
                    <button
                        type="button"
                        key={label}
                        class="button quiet"
                        title={label}
                        aria-label={label}
                        onClick={act}
                    >
                        {sign}
                    </button>
                ))}
            </div>
            {props.isZoomed && (
                <button type="button" class="button quiet" onClick={props.onResetZoom}>
                    Whole trace
                </button>
            )}
            <button
                type="button"
                class="icon-button keys"
                title="Keyboard (?)"
                aria-label="Keyboard"
                onClick={props.onHelp}
            >
                <Icon name="keys" />
            </button>
        </div>
    );
}

function FindBox({ text, setText, find, matchPlace }: ToolbarProps) {
    const onKey = (event: KeyboardEvent) => {
        if (event.key === 'Enter') {
            event.preventDefault();
            find.step(event.shiftKey ? -1 : 1);
        }
        if (event.key === 'Escape') {
            event.stopPropagation();
            setText('');
            focusRows();
        }
    };
    const count = find.matches.length;
    const isOff = count === 0 && !find.isBusy;
    const said = !text.trim() ? '' : count === 0 && find.isBusy ? '…' :
        `${matchPlace >= 0 ? `${formatCount(matchPlace + 1)} of ` : ''}` +
        `${matchPlace >= 0 ? formatCount(count) : counted(count, 'match', 'matches')}` +
        `${find.isBusy ? '…' : ''}`;
    return (
        <div class="find" role="search">
            <Icon name="search" />
            <input
                id="find-box"
                type="text"
                placeholder="Find text, or service=name"
                aria-label="Find in this trace"
                spellcheck={false}
                autocomplete="off"
                value={text}
                onInput={(e) => setText(e.currentTarget.value)}
                onKeyDown={onKey}
            />
            <span class="said" role="status">{said}</span>
            {text && (
                <>
                    <StepButton label="Previous match" icon="up" onClick={() => find.step(-1)} off={isOff} />
                    <StepButton label="Next match" icon="down" onClick={() => find.step(1)} off={isOff} />
                    <StepButton label="Clear" icon="close" onClick={() => setText('')} off={false} />
                </>
            )}
        </div>
    );
}

function StepButton({ label, icon, onClick, off }: {
    label: string;
    icon: 'up' | 'down' | 'close';
    onClick: () => void;
    off: boolean;
}) {
    return (
        <button
            type="button"
            class="icon-button small"
            aria-label={label}
            title={label}
            disabled={off}
            onClick={onClick}
        >
            <Icon name={icon} />
        </button>
    );
}
