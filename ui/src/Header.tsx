/* Header.tsx - name, way home, jump to a trace by id, and the two switches. */
import { useState } from 'preact/hooks';
import { Icon } from './parts/Icon';
import { Link } from './parts/Link';
import { useStore } from './parts/store';
import { navigate, placeOfPasted } from './router';
import { THEMES, themeSetting, zoneSetting } from './settings';

export function Header() {
    return (
        <header class="top">
            <Link to="/search" class="brand" label="kiseki: search">
                <Logo />
                <span>kiseki</span>
            </Link>
            <JumpToTrace />
            <div class="switches">
                <ZoneSwitch />
                <ThemeSwitch />
            </div>
        </header>
    );
}

function Logo() {
    return (
        <svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true" class="logo">
            <rect x="1" y="4" width="20" height="4" rx="2" />
            <rect x="6" y="10" width="11" height="4" rx="2" class="second" />
            <rect x="11" y="16" width="9" height="4" rx="2" />
        </svg>
    );
}

function JumpToTrace() {
    const [text, setText] = useState('');
    const [problem, setProblem] = useState('');
    const jump = (event: Event) => {
        event.preventDefault();
        if (!text.trim()) return;
        const place = placeOfPasted(text);
        if ('problem' in place) return setProblem(place.problem);
        setText('');
        navigate(place.to);
    };
    return (
        <form class="jump" role="search" onSubmit={jump}>
            <input
                type="text"
                class={problem ? 'wrong' : ''}
                placeholder="Trace id"
                aria-label="Go to trace by id"
                aria-invalid={problem !== ''}
                title="Paste a trace id or the address of a trace, press Enter"
                spellcheck={false}
                autocomplete="off"
                value={text}
                onInput={(e) => {
                    setText(e.currentTarget.value);
                    setProblem('');
                }}
            />
            {problem && <span class="problem" role="alert">{problem}</span>}
        </form>
    );
}

function ZoneSwitch() {
    const zone = useStore(zoneSetting);
    const other = zone === 'utc' ? 'local' : 'utc';
    return (
        <button
            type="button"
            class="button quiet"
            aria-label={`Times are ${zone === 'utc' ? 'UTC' : 'local'}; switch to ${other}`}
            title={`Times are shown in ${zone === 'utc' ? 'UTC' : 'local time'}`}
            onClick={() => zoneSetting.set(other)}
        >
            <Icon name="clock" />
            <span>{zone === 'utc' ? 'UTC' : 'Local'}</span>
        </button>
    );
}

function ThemeSwitch() {
    const theme = useStore(themeSetting);
    const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]!;
    return (
        <button
            type="button"
            class="icon-button"
            aria-label={`Theme: ${theme}; switch to ${next}`}
            title={`Theme: ${theme}`}
            onClick={() => themeSetting.set(next)}
        >
            <Icon name={theme} />
        </button>
    );
}
