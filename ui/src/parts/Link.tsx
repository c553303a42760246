/* Link.tsx - a link inside the page: a real <a>, so that it can be opened in a new tab or copied. */
import type { ComponentChildren } from 'preact';
import { isPlainClick, navigate } from '../router';

interface LinkProps {
    to: string;
    class?: string;
    title?: string;
    label?: string;
    children: ComponentChildren;
}

export function Link({ to, class: className, title, label, children }: LinkProps) {
    const follow = (event: MouseEvent) => {
        if (!isPlainClick(event)) return;
        event.preventDefault();
        navigate(to);
    };
    return (
        <a href={to} class={className} title={title} aria-label={label} onClick={follow}>
            {children}
        </a>
    );
}
