/* Icon.tsx - the few drawings the page needs, 16 by 16, in the colour of the text around them. */
const PATHS = {
    search: 'M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9ZM10.5 10.5 14 14',
    close: 'M4 4l8 8M12 4l-8 8',
    copy: 'M5.5 5.5h7v8h-7zM10.5 5.5v-3h-7v8h2',
    check: 'M3 8.5 6.5 12 13 4.5',
    down: 'M4 6l4 4 4-4',
    up: 'M4 10l4-4 4 4',
    right: 'M6 4l4 4-4 4',
    back: 'M10 3 5 8l5 5',
    warn: 'M8 2.5 14.5 13.5h-13zM8 6.5v3.5M8 11.8v.2',
    error: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2ZM8 5v3.8M8 10.8v.2',
    light: 'M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6ZM8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2'
        + 'M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9',
    dark: 'M13 9.5A5.5 5.5 0 0 1 6.5 3 5.5 5.5 0 1 0 13 9.5Z',
    system: 'M2.5 3.5h11v7h-11zM6 13.5h4M8 10.5v3',
    clock: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2ZM8 4.8V8l2.2 1.6',
    link: 'M6.5 9.5l3-3M7 4.5l1.4-1.4a2.6 2.6 0 0 1 3.6 3.6L10.6 8M9 11.5l-1.4 1.4A2.6 2.6 0 0 1 4 9.3'
        + 'L5.4 8',
    keys: 'M1.8 4h12.4v8H1.8zM4 6.5h.1M6.5 6.5h.1M9 6.5h.1M11.6 6.5h.1M5 9.5h6',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
    return (
        <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
            <path d={PATHS[name]} />
        </svg>
    );
}
