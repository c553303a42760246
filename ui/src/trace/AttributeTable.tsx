/* AttributeTable.tsx - keys, values and their types. Values are text, whatever they contain; long
 * ones are cut until asked for. */
import { Fragment } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import type { Attribute, AttributeSet } from '../api/span_detail';
import { indentJson } from '../format/json_text';
import { counted, cutText, formatCount, visibleText, webAddress } from '../format/text';
import { CopyButton } from '../parts/CopyButton';

const ITEMS_SHOWN = 300;
const CHARS_SHOWN = 400;

export function AttributeTable({ set }: { set: AttributeSet }) {
    const [all, setAll] = useState(false);
    const shown = all ? set.items : set.items.slice(0, ITEMS_SHOWN);
    const more = set.items.length - shown.length;
    return (
        <>
            {shown.length > 0 && (
                <dl class="attributes">
                    {shown.map((item, i) => <AttributeRow key={i} item={item} />)}
                </dl>
            )}
            {more > 0 && (
                <button type="button" class="as-link" onClick={() => setAll(true)}>
                    Show {formatCount(more)} more
                </button>
            )}
            {set.items.length === 0 && set.dropped === 0 && <p class="dim">None.</p>}
            {set.dropped > 0 && (
                <p class="dim">{counted(set.dropped, 'attribute')} dropped by the sender’s limits.</p>
            )}
        </>
    );
}

function AttributeRow({ item }: { item: Attribute }) {
    const address = item.type === 'string' ? webAddress(item.text) : null;
    return (
        <div class={isTall(item) ? 'tall' : ''}>
            <dt><bdi><KeyText text={visibleText(cutText(item.key, 300)) || '(empty)'} /></bdi></dt>
            <dd class={item.type}>
                {address ? (
                    <a href={address} target="_blank" rel="noopener noreferrer">{item.text}</a>
                ) : (
                    <ValueText item={item} />
                )}
                {item.text === '' && <span class="dim">empty</span>}
                {item.type !== 'string' && item.type !== 'empty' && <small>{item.type}</small>}
                <CopyButton text={item.text} label={`Copy the value of ${item.key}`} />
            </dd>
        </div>
    );
}

/** A long key breaks after its dots and underscores, not in the middle of a word. */
function KeyText({ text }: { text: string }) {
    const parts = text.split(/(?<=[._/:-])/);
    return <>{parts.map((part, i) => <Fragment key={i}>{i > 0 && <wbr />}{part}</Fragment>)}</>;
}

const JSON_CHARS_MIN = 40; /* what is shorter can be read as it is */

function ValueText({ item }: { item: Attribute }) {
    const [isIndented, setIndented] = useState(false);
    const indented = useMemo(
        () => (item.type === 'string' && item.text.length > JSON_CHARS_MIN ? indentJson(item.text) : null),
        [item],
    );
    if (indented === null) return <LongText text={item.text} />;
    return (
        <>
            <LongText text={isIndented ? indented : item.text} />{' '}
            <button type="button" class="as-link" onClick={() => setIndented(!isIndented)}>
                {isIndented ? 'As sent' : 'Indent JSON'}
            </button>
        </>
    );
}

/** Stack traces and queries get the whole width. */
function isTall({ key, text }: Attribute): boolean {
    return text.length > 72 || key.length > 60 || text.includes('\n');
}

export function LongText({ text }: { text: string }) {
    const [open, setOpen] = useState(false);
    if (text.length <= CHARS_SHOWN) return <bdi class="value">{visibleText(text)}</bdi>;
    return (
        <>
            <bdi class="value">{visibleText(open ? text : cutText(text, CHARS_SHOWN))}{!open && '…'}</bdi>{' '}
            <button type="button" class="as-link" aria-expanded={open} onClick={() => setOpen(!open)}>
                {open ? 'Show less' : `Show all ${formatCount(text.length)} characters`}
            </button>
        </>
    );
}
