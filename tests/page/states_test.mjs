/* states_test.mjs - when there is no answer, a slow one, a wrong one, or nothing to show. */
import { check, mockTest, same, test, until } from './harness.mjs';
import { checkout, send } from './spans.mjs';

/** What the page says when nothing has come yet, also over a server that has traces. */
async function emptyPage(page) {
    await page.route('**/api/v3/services', (route) => route.fulfill({ json: { services: [] } }));
    await page.route('**/api/v3/trace-summaries?*', (route) => route.fulfill({ json: {} }));
    await page.goto('/');
    await page.getByRole('heading', { name: 'No traces yet' }).waitFor();
    return page.locator('.state').innerText();
}

test('the empty page hands out the address that this server listens on', async ({ page, otlpUrl }) => {
    const text = await emptyPage(page);
    for (const part of [`OTEL_EXPORTER_OTLP_ENDPOINT=${otlpUrl} ./your-program`, 'This server keeps ',
        'kiseki load --', './dev demo'])
        check(text.includes(part), `"${part}" in ${text}`);
});

for (const [what, server, parts] of [
    ['on every address is named as the page is', { listeners: [
        { label: 'OTLP/HTTP', address: 'http://0.0.0.0:14318', tls: false },
        { label: 'OTLP/gRPC', address: '[::]:14317', tls: false },
    ] }, ['OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:14318', 'http://127.0.0.1:14317',
        'kiseki load --to 127.0.0.1:14317']],
    ['without OTLP says so', { listeners: [
        { label: 'page and query', address: 'http://127.0.0.1:16686', tls: false },
    ] }, ['takes no spans over the network', '--otlp-http']],
    ['that says nothing of itself has the usual ports', {},
        ['OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318', ':4317', 'default ports']],
])
    mockTest(`the empty page: a server ${what}`, async ({ page, mock }) => {
        mock.mood.server = server;
        const text = await emptyPage(page);
        for (const part of parts) check(text.includes(part), `"${part}" in ${text}`);
    });

mockTest('an empty store waits for the first trace', async ({ page, mock }) => {
    mock.forget();
    await page.goto('/');
    await page.getByRole('heading', { name: 'No traces yet' }).waitFor();
    await send(mock.otlpUrl, checkout());
    await page.getByRole('button', { name: 'Look again' }).click();
    await page.locator('.trace-item').first().waitFor();
});

mockTest('a long answer says so and can be cancelled', async ({ page, mock }) => {
    mock.mood.delayMs = 60_000;
    await page.goto('/search');
    await page.getByText('Loading traces…').waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click({ timeout: 8000 });
    await page.getByRole('heading', { name: 'Cancelled' }).waitFor();
    mock.mood.delayMs = 0;
    await send(mock.otlpUrl, checkout());
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.locator('.trace-item').first().waitFor();
});

mockTest('a server that is gone is said to be gone, and found again', async ({ page, mock }) => {
    const trace = await send(mock.otlpUrl, checkout());
    await page.goto('/search');
    await page.locator('.trace-item').first().waitFor();
    await page.context().setOffline(true);
    await page.getByRole('button', { name: 'Refresh' }).click();
    await page.getByRole('heading', { name: 'Server unreachable' }).waitFor();
    await page.context().setOffline(false);
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.locator('.trace-item').first().waitFor();
    check(trace.count > 0, 'sent');
}, { allow: ['ERR_INTERNET_DISCONNECTED'] });

for (const [status, title, message, advice] of [
    [500, 'The server failed', 'the disk broke', 'Its log'],
    [503, 'No answer just now', 'the store is being checked', 'Wait a moment'],
    [400, 'The server refused the question', 'startTimeMin is after startTimeMax', 'Change the question'],
])
    mockTest(`an answer of ${status} shows the server's own words, and what to do`, async (
        { page, mock },
    ) => {
        Object.assign(mock.mood, { status, message });
        await page.goto('/search');
        await page.locator('.state').getByRole('heading', { name: title }).waitFor();
        const text = await page.locator('.state').innerText();
        for (const part of [message, advice]) check(text.includes(part), `"${part}" in ${text}`);
    }, { allow: [String(status)] });

mockTest('after a failure, trying again brings the services back, too', async ({ page, mock }) => {
    await send(mock.otlpUrl, checkout());
    mock.mood.status = 500;
    await page.goto('/search');
    await page.getByRole('heading', { name: 'The server failed' }).waitFor();
    delete mock.mood.status;
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.locator('.trace-item').first().waitFor();
    await until(async () => (await page.getByLabel('Service').locator('option').allInnerTexts())
        .includes('gateway'), 'the service is offered');
}, { allow: ['500'] });

mockTest('a failed trace names the trace and the way to the search', async ({ page, mock }) => {
    mock.mood.status = 500;
    await page.goto(`/trace/${'ab'.repeat(16)}`);
    await page.getByText(`Asked for trace ${'ab'.repeat(16)}`).waitFor();
    await page.getByRole('link', { name: 'Go to the search' }).click();
    await page.getByRole('button', { name: 'Find traces' }).waitFor();
}, { allow: ['500'] });

mockTest('an answer that is no JSON is said to be unreadable', async ({ page, mock }) => {
    mock.mood.garbage = true;
    await page.goto(`/trace/${'ab'.repeat(16)}`);
    await page.getByRole('heading', { name: 'Unreadable answer' }).waitFor();
});

mockTest('what the server has to say stands over every page, as text', async ({ page, mock }) => {
    await send(mock.otlpUrl, checkout());
    mock.mood.notice = encodeURIComponent('The disk is nearly full: <b>5 %</b> left.');
    await page.goto('/search');
    await page.locator('.notice').waitFor();
    same('The disk is nearly full: <b>5 %</b> left.', await page.locator('.notice').innerText(), 'notice');
    delete mock.mood.notice;
    await page.getByRole('button', { name: 'Refresh' }).click();
    await until(async () => (await page.locator('.notice').count()) === 0, 'the notice goes');
});

mockTest('a 503 is a notice too', async ({ page, mock }) => {
    mock.mood.status = 503;
    await page.goto('/search');
    await page.locator('.notice', { hasText: '503' }).waitFor();
}, { allow: ['503'] });

test('an address that leads nowhere leads back', async ({ page }) => {
    await page.goto('/no/such/page');
    await page.getByRole('heading', { name: 'No such page' }).waitFor();
    await page.getByRole('link', { name: 'Go to the search' }).click();
    await page.getByRole('button', { name: 'Find traces' }).waitFor();
});

test('every control has a name', async ({ page, otlpUrl }) => {
    const trace = await send(otlpUrl, checkout());
    for (const address of ['/search', `/trace/${trace.traceId}`]) {
        await page.goto(address);
        await page.locator('.trace-item, .row').first().waitFor();
        if (address !== '/search') await page.locator('.row').first().click();
        const nameless = await page.locator('button, a, input, select').evaluateAll((all) => all
            .filter((e) => !(e.getAttribute('aria-label') || e.innerText?.trim() || e.labels?.length))
            .map((e) => e.outerHTML.slice(0, 120)));
        same([], nameless, `controls without a name on ${address}`);
    }
});

test('text stands out from its ground, in light and in dark', async ({ page, otlpUrl }) => {
    const trace = await send(otlpUrl, checkout());
    for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme });
        await page.goto(`/trace/${trace.traceId}`);
        await page.locator('.row').first().waitFor();
        const poor = await page.evaluate(() => {
            const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
            const light = (name) => {
                canvas.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name);
                const probe = document.createElement('i');
                probe.style.color = `var(${name})`;
                document.body.append(probe);
                canvas.fillStyle = getComputedStyle(probe).color;
                probe.remove();
                canvas.fillRect(0, 0, 1, 1);
                const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((c) => {
                    const s = c / 255;
                    return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
                });
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const contrast = (a, b) => {
                const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
                return (x + 0.05) / (y + 0.05);
            };
            const grounds = ['--page', '--surface', '--raised', '--hover', '--chosen', '--found'];
            const inks = ['--text', '--dim', '--accent', '--error', '--warn'];
            const pairs = inks.flatMap((ink) => grounds.map((ground) => [ink, ground]));
            pairs.push(['--warn', '--warn-soft'], ['--accent-text', '--accent']);
            return pairs.map(([a, b]) => [a, b, contrast(a, b)]).filter((row) => row[2] < 4.5);
        });
        same([], poor, `contrast below 4.5 in ${colorScheme}`);
    }
});
