/* Boundary.tsx - a fault of the page in one place leaves the rest of it standing, and says so. */
import type { ComponentChildren } from 'preact';
import { useErrorBoundary } from 'preact/hooks';
import { ApiFailure } from '../api/client';
import { FailureState } from './States';

export function Boundary({ children }: { children: ComponentChildren }) {
    const [error, reset] = useErrorBoundary((fault: unknown) => console.error(fault));
    if (!error) return <>{children}</>;
    const text = error instanceof Error ? error.message : String(error);
    const failure = new ApiFailure('page', text);
    return <FailureState failure={failure} onRetry={reset} />;
}
