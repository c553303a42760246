/* settings.ts - what a reader chose once: theme, time zone, width of the name column.
 *
 * Kept in this browser only. A browser that keeps nothing (private windows) just forgets.
 */
import { createStore, type Store } from './parts/store';
import type { Zone } from './format/time';

export type Theme = 'system' | 'light' | 'dark';

function remembered<T extends string>(key: string, allowed: readonly T[], first: T): Store<T> {
    const store = createStore<T>(allowed.find((value) => value === recall(key)) ?? first);
    store.watch(() => remember(key, store.get()));
    return store;
}

export function recall(key: string): string | null {
    try {
        return localStorage.getItem(`kiseki.${key}`);
    } catch {
        return null;
    }
}

export function remember(key: string, value: string): void {
    try {
        localStorage.setItem(`kiseki.${key}`, value);
    } catch {
        /* forgotten at the next visit, which is all that happens */
    }
}

export const THEMES: readonly Theme[] = ['system', 'light', 'dark'];
export const themeSetting = remembered<Theme>('theme', THEMES, 'system');
export const zoneSetting = remembered<Zone>('zone', ['local', 'utc'], 'local');

themeSetting.watch(applyTheme);

export function applyTheme(): void {
    const theme = themeSetting.get();
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
}
