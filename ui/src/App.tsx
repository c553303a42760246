/* App.tsx - the frame around every page: header, notice, the page that the address names. */
import { useEffect, useLayoutEffect } from 'preact/hooks';
import { forgetNotices, notices } from './api/notice';
import { Boundary } from './parts/Boundary';
import { EmptyState } from './parts/States';
import { Link } from './parts/Link';
import { useStore } from './parts/store';
import { cutText, visibleLine, visibleText } from './format/text';
import { address, parseRoute, type Route } from './router';
import { Header } from './Header';
import { SearchPage } from './search/SearchPage';
import { TracePage } from './trace/TracePage';

const TITLE_CHARS_MAX = 60;

export function App() {
    const { text, arrival } = useStore(address);
    const route = parseRoute(text);
    /* not after the paint: the new page's first answer may have brought one by then */
    useLayoutEffect(forgetNotices, [text.split('?', 1)[0]]);
    const title = titleOf(route);
    useEffect(() => {
        if (title) document.title = title;
    }, [title]);
    return (
        <div class={`app ${route.page}`}>
            <a class="skip" href="#main">Skip to content</a>
            <Header />
            <NoticeBanner />
            <main id="main" tabIndex={-1}>
                <Boundary key={route.page === 'trace' ? route.traceId : route.page}>
                    {route.page === 'search' && <SearchPage params={route.params} arrival={arrival} />}
                    {route.page === 'trace' && (
                        <TracePage
                            key={route.traceId}
                            traceId={route.traceId}
                            params={route.params}
                            arrival={arrival}
                        />
                    )}
                </Boundary>
                {route.page === 'unknown' && (
                    <EmptyState title="No such page">
                        <p><Link to="/search">Go to the search</Link></p>
                    </EmptyState>
                )}
            </main>
        </div>
    );
}

/** Empty: the page knows a better one. */
function titleOf(route: Route): string {
    if (route.page === 'trace') return '';
    const service = route.page === 'search' ? route.params.get('service') ?? '' : '';
    return service ? `${visibleLine(cutText(service, TITLE_CHARS_MAX))} · kiseki` : 'kiseki';
}

function NoticeBanner() {
    const texts = useStore(notices);
    return (
        <div role="status">
            {texts.map((text) => <p class="notice" key={text}>{visibleText(text)}</p>)}
        </div>
    );
}
