/* store.ts - a value that components can watch. */
import { useLayoutEffect, useState } from 'preact/hooks';

export interface Store<T> {
    get(): T;
    set(value: T): void;
    watch(listener: () => void): () => void;
}

export function createStore<T>(initial: T): Store<T> {
    let value = initial;
    const listeners = new Set<() => void>();
    return {
        get: () => value,
        set(next) {
            if (Object.is(next, value)) return;
            value = next;
            for (const listener of [...listeners]) listener();
        },
        watch(listener) {
            listeners.add(listener);
            return () => listeners.delete(listener);
        },
    };
}

export function useStore<T>(store: Store<T>): T {
    const [value, setValue] = useState<T>(() => store.get());
    useLayoutEffect(() => {
        setValue(() => store.get());
        return store.watch(() => setValue(() => store.get()));
    }, [store]);
    return value;
}
