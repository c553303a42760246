/* use_size.ts - the size of an element, kept current. */
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { RefObject } from 'preact';

export interface Size {
    width: number;
    height: number;
}

export function useSize<T extends HTMLElement>(): [RefObject<T>, Size] {
    const ref = useRef<T>(null);
    const [size, setSize] = useState<Size>({ width: 0, height: 0 });
    useLayoutEffect(() => {
        const element = ref.current;
        if (!element) return undefined;
        const measure = () => setSize((was) => {
            const { clientWidth: width, clientHeight: height } = element;
            return was.width === width && was.height === height ? was : { width, height };
        });
        const observer = new ResizeObserver(measure);
        observer.observe(element);
        measure();
        return () => observer.disconnect();
    }, []);
    return [ref, size];
}
