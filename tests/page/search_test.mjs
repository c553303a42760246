/* search_test.mjs - the search page: what is found, how it is asked, and where it is remembered. */
import { check, mockTest, NARROW, same, test, until } from './harness.mjs';
import { checkout, hex, orphans, send, sendAll, TraceMaker } from './spans.mjs';

const names = (page) => page.locator('.trace-item .name .service').allInnerTexts();

const find = (page) => page.getByRole('button', { name: 'Find traces' }).click();

/** A tag of its own keeps a test's services apart from those of others, and of other runs. */
const newTag = () => `t${hex(3)}-`;

test('a search without a service finds the newest traces of all of them', async ({ page, otlpUrl }) => {
    const tag = newTag();
    await sendAll(otlpUrl, [checkout({ tag, agoMs: 4000 }), orphans(tag)]);
    await page.goto('/');
    await until(async () => {
        const found = await names(page);
        if (found.includes(`${tag}gateway`) && found.includes(`${tag}edge`)) return true;
        await page.getByRole('button', { name: /Refresh|Look again/ }).click();
        return false;
    }, 'both traces in the list');
    const ours = (await names(page)).filter((name) => name.startsWith(tag));
    same([`${tag}gateway`, `${tag}edge`], ours, 'newest first');
});

test('a row tells root, services, spans, errors and what is missing', async ({ page, otlpUrl }) => {
    const tag = newTag();
    await sendAll(otlpUrl, [checkout({ tag }), orphans(tag)]);
    await page.goto(`/search?service=${tag}orders`);
    const shop = page.locator('.trace-item', { hasText: `${tag}gateway` }).first();
    const text = await shop.innerText();
    for (const part of ['POST /checkout', '184ms', '14 spans', '3 errors', `${tag}payments`])
        check(text.includes(part), `"${part}" in ${JSON.stringify(text)}`);
    const payments = shop.locator('.chip', { hasText: 'payments' });
    same(`${tag}payments: 3 spans, 2 errors`, await payments.getAttribute('title'), 'chip');
    same(1, await payments.getByRole('img', { name: '2 errors' }).count(), 'mark in the chip');
    await page.goto(`/search?service=${tag}worker`);
    const late = await page.locator('.trace-item').first().innerText();
    check(late.includes('incomplete'), `orphan mark in ${JSON.stringify(late)}`);
    check(late.includes('GET /late'), `root in ${JSON.stringify(late)}`);
});

test('a service that did not say its name is called the same in the list and in the trace', async (
    { page, otlpUrl },
) => {
    const trace = new TraceMaker(1000);
    const name = `nameless ${hex(4)}`;
    trace.span('', name, '', 0, 1000);
    await send(otlpUrl, trace);
    await page.goto(`/search?service=unknown_service&operation=${encodeURIComponent(name)}`);
    const item = page.locator('.trace-item', { hasText: name });
    same('unknown_service', await item.locator('.name .service').innerText(), 'in the list');
    await item.click();
    same('unknown_service', await page.locator('.row .service').innerText(), 'in the trace');
});

test('the form asks for service, operation, tags and duration', async ({ page, otlpUrl }) => {
    const tag = newTag();
    await sendAll(otlpUrl, [
        checkout({ tag, agoMs: 3000, fails: false }), checkout({ tag, agoMs: 9000, scale: 10 }),
        orphans(tag),
    ]);
    await page.goto('/search');
    const count = (n) => until(
        async () => (await page.locator('.trace-item').count()) === n, `${n} traces listed`);
    const offered = page.getByLabel('Service').locator('option', { hasText: `${tag}orders` });
    await until(async () => {
        await page.reload();
        return offered.waitFor({ state: 'attached', timeout: 2000 }).then(() => true, () => false);
    }, 'the service is offered');
    await page.getByLabel('Service').selectOption(`${tag}orders`);
    await find(page);
    await count(2);
    await page.getByLabel('Operation').selectOption('POST /orders');
    await page.getByLabel('Min duration').fill('1s');
    await find(page);
    await count(1);
    check((await page.locator('.trace-item').innerText()).includes('1.84s'), 'the slow one');
    await page.getByLabel('Min duration').fill('');
    await page.getByLabel('Operation').selectOption('');
    await page.getByLabel('Service').selectOption(`${tag}gateway`);
    await page.getByLabel('Tags').fill('http.response.status_code=200 user.id="u-1041"');
    await find(page);
    await count(1);
    await until( // the list of before had one trace too: wait for the new answer
        async () => !(await page.locator('.trace-item').innerText()).includes('error'), 'the good one');
    await page.getByLabel('Tags').fill('user.id=nobody');
    await find(page);
    await page.getByText('No trace matches').waitFor();
});

test('what is typed before the first frame stays', async ({ page, otlpUrl }) => {
    await sendAll(otlpUrl, [checkout({ agoMs: 3000 })]);
    await page.goto('/search');
    await page.getByLabel('Tags').fill('user.id=u-1041');
    await page.waitForTimeout(2500);
    same('user.id=u-1041', await page.getByLabel('Tags').inputValue(), 'tags');
}, { paintsLateMs: 2000 });

test('nothing found says where it was looked for, and leads to what lies outside', async (
    { page, otlpUrl },
) => {
    const tag = newTag();
    await send(otlpUrl, checkout({ tag, agoMs: 3 * 3600_000 }));
    await page.goto(`/search?service=${tag}gateway&tags={"user.id":"u-1041"}`);
    await page.getByRole('heading', { name: 'No trace matches' }).waitFor();
    const said = await page.locator('.state').innerText();
    check(/Searched: .*\d\d:\d\d:\d\d to /.test(said), `the range in ${said}`);
    check(said.includes(`${tag}gateway`), `the service in ${said}`);
    await page.getByRole('button', { name: 'Search any time' }).click();
    await page.locator('.trace-item').first().waitFor();
    same('all', new URL(page.url()).searchParams.get('lookback'), 'lookback');
    await page.locator('.results-head', { hasText: 'any time' }).waitFor();
    await page.getByLabel('Tags').fill('user.id=nobody');
    await find(page);
    await page.getByRole('heading', { name: 'No trace matches' }).waitFor();
    same(0, await page.getByRole('button', { name: 'Search any time' }).count(), 'already any time');
    await page.getByRole('button', { name: 'Drop the conditions' }).click();
    await page.locator('.trace-item').first().waitFor();
    same('', await page.getByLabel('Service').inputValue(), 'service');
    same('', await page.getByLabel('Tags').inputValue(), 'tags');
});

test('a service that does not exist is said not to, one that does is not; both are in the tab', async (
    { page, otlpUrl },
) => {
    const tag = newTag();
    await send(otlpUrl, checkout({ tag, agoMs: 3 * 3600_000 }));
    await page.goto(`/search?service=${tag}gateways`);
    await page.getByText('There is no such service').waitFor();
    same(0, await page.getByRole('button', { name: 'Search any time' }).count(), 'of no use');
    same(`${tag}gateways · kiseki`, await page.title(), 'tab');
    await page.goto(`/search?service=${tag}gateway`);
    await page.getByRole('button', { name: 'Search any time' }).waitFor();
    same(0, await page.getByText('There is no such service').count(), 'said of one that there is');
    same(`${tag}gateway · kiseki`, await page.title(), 'tab');
    await page.getByRole('link', { name: 'kiseki: search' }).click();
    await until(async () => (await page.title()) === 'kiseki', 'tab at home');
});

for (const [what, others, said] of [
    ['what stands for the rest is no service of its own', 511, 'and 503+ more'],
    ['all are counted where all are listed', 0, 'and 503 more'],
])
    test(`of very many services some are shown: ${what}`, async ({ page, otlpUrl }) => {
        const tag = newTag();
        await send(otlpUrl, checkout({ tag }));
        await page.route('**/api/v3/trace-summaries?*', async (route) => {
            const answer = await (await route.fetch()).json();
            const one = answer.summaries[0];
            one.services = Array.from({ length: 511 }, (_, i) => ({ name: `s${i}`, spanCount: 1 }));
            if (others) one.services.splice(3, 0, { name: '(other)', spanCount: others });
            await route.fulfill({ json: { summaries: [one] } });
        });
        await page.goto(`/search?service=${tag}gateway`);
        const chips = page.locator('.trace-item .chip');
        await chips.last().waitFor();
        same(said, await chips.last().innerText(), 'last chip');
        same(9, await chips.count(), 'chips');
        same(0, await page.locator('.chip', { hasText: '(other)' }).count(), 'chips of the rest');
    });

test('a chosen range is asked again by Refresh', async ({ page, otlpUrl }) => {
    const tag = newTag();
    await send(otlpUrl, checkout({ tag, agoMs: 3000 }));
    const [start, end] = [Date.now() - 60_000, Date.now() + 60_000].map((ms) => ms * 1000);
    await page.goto(`/search?service=${tag}gateway&lookback=custom&start=${start}&end=${end}`);
    await page.locator('.trace-item').first().waitFor();
    await send(otlpUrl, checkout({ tag, agoMs: 1000 }));
    await page.getByRole('button', { name: 'Refresh' }).click();
    await until(async () => (await page.locator('.trace-item').count()) === 2, 'the new trace');
});

test('a link whose tag has a blank in its key is asked, and stays as it is', async ({ page, otlpUrl }) => {
    const trace = new TraceMaker();
    trace.span(`${newTag()}shop`, 'order', '', 0, 100, { attributes: { 'my key': 'Jane "J" Doe' } });
    await send(otlpUrl, trace);
    await page.goto(`/search?tags=${encodeURIComponent('{"my key":"Jane \\"J\\" Doe"}')}`);
    await page.locator('.trace-item', { hasText: 'shop' }).first().waitFor();
    same('"my key"="Jane \\"J\\" Doe"', await page.getByLabel('Tags').inputValue(), 'tags');
    await find(page);
    await until(() => page.url().includes('start='), 'the address');
    same('{"my key":"Jane \\"J\\" Doe"}', new URL(page.url()).searchParams.get('tags'), 'tags in the address');
    same(0, await page.locator('.search-form .problem').count(), 'problems');
});

test('the way home asks for the hour before it was taken, also from home', async ({ page }) => {
    await page.clock.install();
    await page.goto('/search?service=nobody');
    await page.getByText(/No trace/).first().waitFor();
    for (const from of ['another search', 'home']) {
        await page.clock.fastForward('02:00:00');
        const asked = page.waitForRequest((request) => request.url().includes('trace-summaries'));
        await page.getByLabel('Tags').fill('half=written');
        await page.getByRole('link', { name: 'kiseki: search' }).click();
        const end = Date.parse(new URL((await asked).url()).searchParams.get('query.startTimeMax'));
        const ago = await page.evaluate(() => Date.now()) - end;
        check(ago < 60_000, `from ${from}: asked until ${Math.round(ago / 60_000)} minutes ago`);
        same('', await page.getByLabel('Tags').inputValue(), `the form, from ${from}`);
    }
});

test('Refresh leaves alone what is being written into the form', async ({ page, otlpUrl }) => {
    const tag = newTag();
    await send(otlpUrl, checkout({ tag, agoMs: 3000 }));
    await page.goto(`/search?service=${tag}gateway`);
    await page.locator('.trace-item').first().waitFor();
    await page.getByLabel('Tags').fill('half=written');
    await send(otlpUrl, checkout({ tag, agoMs: 0, scale: 2 }));
    await page.getByRole('button', { name: 'Refresh' }).click();
    await until(async () => (await page.locator('.trace-item').count()) === 2, 'the new trace');
    same('half=written', await page.getByLabel('Tags').inputValue(), 'what was being written');
});

test('what cannot be asked is said at its field, and not asked', async ({ page }) => {
    await page.goto('/search');
    await page.getByLabel('Min duration').fill('soon');
    await page.getByLabel('Tags').fill('oops');
    await page.getByLabel('Limit').fill('0');
    const before = page.url();
    await find(page);
    same(3, await page.locator('.search-form .problem').count(), 'problems');
    same(before, page.url(), 'address');
});

test('the address of a search shows the same traces later, with absolute times', async (
    { page, otlpUrl },
) => {
    const tag = newTag();
    await send(otlpUrl, checkout({ tag, agoMs: 60_000 }));
    await page.goto('/search');
    await page.getByLabel('Tags').fill('user.id=u-1041');
    await page.getByLabel('Limit').fill('7');
    await find(page);
    await page.locator('.trace-item').first().waitFor();
    const params = new URL(page.url()).searchParams;
    for (const name of ['start', 'end']) check(/^\d{16}$/.test(params.get(name)), `${name} absolute`);
    same('{"user.id":"u-1041"}', params.get('tags'), 'tags');
    const link = page.url();
    await page.goto(link);
    await page.locator('.trace-item').first().waitFor();
    same('user.id=u-1041', await page.getByLabel('Tags').inputValue(), 'tags field');
    same('7', await page.getByLabel('Limit').inputValue(), 'limit field');
    same(link, page.url(), 'address after opening');
    /* the same search, one second of last year: found then, so not now */
    const old = new URL(link);
    old.searchParams.set('start', '1700000000000000');
    old.searchParams.set('end', '1700000001000000');
    await page.goto(old.href);
    await page.getByText('No trace matches').waitFor();
});

test('a chosen range is asked exactly, in local time and in UTC', async ({ page }) => {
    await page.goto('/search');
    await page.getByLabel('Time', { exact: true }).selectOption('custom');
    await page.getByLabel('From (local time)').fill('2026-07-01T12:00:01');
    await page.getByLabel('To (local time)').fill('2026-07-01T13:00:01');
    await find(page);
    await until(() => page.url().includes('start='), 'the address');
    const start = () => Number(new URL(page.url()).searchParams.get('start'));
    same(Date.UTC(2026, 6, 1, 10, 0, 1) * 1000, start(), 'Berlin noon is 10:00 UTC');
    await page.getByRole('button', { name: /Times are local/ }).click();
    same('2026-07-01T10:00:01', await page.getByLabel('From (UTC)').inputValue(), 'shown in UTC');
});

test('back and forward walk through searches and traces', async ({ page, otlpUrl }) => {
    const tag = newTag();
    const trace = await send(otlpUrl, checkout({ tag }));
    await page.goto(`/search?service=${tag}gateway`);
    await page.locator('.trace-item').first().click();
    await page.locator('.row').first().waitFor();
    check(page.url().includes(`/trace/${trace.traceId}`), 'the address of the trace');
    await page.goBack();
    await page.locator('.trace-item').first().waitFor();
    same(`${tag}gateway`, await page.getByLabel('Service').inputValue(), 'service after going back');
    await page.goForward();
    await page.locator('.row').first().waitFor();
});

test('going back finds the list as it was left: its order, and how far down it was', async (
    { page, otlpUrl },
) => {
    const tag = newTag();
    await sendAll(otlpUrl, Array.from({ length: 16 }, (_, i) => checkout({ tag, agoMs: 3000 + i, scale: i + 1 })));
    await page.goto(`/search?service=${tag}gateway`);
    await page.getByLabel('Order').selectOption({ label: 'Longest first' });
    same('longest', new URL(page.url()).searchParams.get('order'), 'order in the address');
    const ninth = page.locator('.trace-item').nth(8);
    await ninth.hover(); // scrolls there
    const place = await page.evaluate(() => scrollY);
    check(place > 100, `${place} px down`);
    await ninth.click();
    await page.locator('.row').first().waitFor();
    await page.goBack();
    await ninth.waitFor();
    same('2.94s', await page.locator('.trace-item .duration').first().innerText(), 'longest first');
    await until(
        async () => Math.abs(await page.evaluate(() => scrollY) - place) < 5, 'the place in the list');
});

test('going back from search to search finds the place in the list, too', async ({ page, otlpUrl }) => {
    const tag = newTag();
    await sendAll(otlpUrl, Array.from({ length: 16 }, (_, i) => checkout({ tag, agoMs: 3000 + i, scale: i + 1 })));
    await page.goto(`/search?service=${tag}gateway`);
    await page.locator('.trace-item').nth(15).hover(); // scrolls there
    const place = await page.evaluate(() => scrollY);
    check(place > 100, `${place} px down`);
    await page.getByLabel('Min duration').fill('2.9s');
    await find(page);
    await until(async () => (await page.locator('.trace-item').count()) === 1, 'a short list');
    await page.goBack();
    await until(
        async () => Math.abs(await page.evaluate(() => scrollY) - place) < 5, 'the place in the list');
});

test('a pasted trace id opens the trace, nonsense does not', async ({ page, otlpUrl }) => {
    const trace = await send(otlpUrl, checkout({ tag: newTag() }));
    await page.goto('/search');
    const box = page.getByLabel('Go to trace by id');
    await box.fill('not an id');
    await box.press('Enter');
    await page.getByText('32 hexadecimal digits').waitFor();
    await box.fill(` ${trace.traceId.toUpperCase()} `);
    await box.press('Enter');
    await page.locator('.row').first().waitFor();
});

test('a part of a trace id is told how long it is, an address leads to its span', async (
    { page, otlpUrl },
) => {
    const trace = await send(otlpUrl, checkout({ tag: newTag() }));
    const [, { spanId, name }] = [...trace.groups.values()][0];
    await page.goto('/search');
    const box = page.getByLabel('Go to trace by id');
    await box.fill(trace.traceId.slice(0, 8));
    await box.press('Enter');
    await page.getByText('A trace id has 32 digits, this one has 8').waitFor();
    same('/search', new URL(page.url()).pathname, 'still where one was');
    await box.fill(`http://elsewhere.example:1234/trace/${trace.traceId}?span=${spanId}`);
    await box.press('Enter');
    await page.locator('.row.selected', { hasText: name }).waitFor();
    same('', await box.inputValue(), 'the box');
});

test('the list can be put in another order', async ({ page, otlpUrl }) => {
    const tag = newTag();
    await sendAll(otlpUrl, [1, 9, 3].map((scale, i) => checkout({ tag, scale, agoMs: 3000 * (i + 1) })));
    await page.goto(`/search?service=${tag}gateway`);
    const durations = () => page.locator('.trace-item .duration').allInnerTexts();
    await until(async () => (await durations()).length === 3, 'three traces');
    same(['184ms', '1.66s', '552ms'], await durations(), 'newest first');
    await page.getByLabel('Order').selectOption({ label: 'Longest first' });
    same(['1.66s', '552ms', '184ms'], await durations(), 'longest first');
});

test('older traces come page by page', async ({ page, otlpUrl }) => {
    const tag = newTag();
    await sendAll(otlpUrl, [1, 2, 3, 4, 5].map((i) => checkout({ tag, agoMs: i * 4000, scale: i })));
    await page.goto(`/search?service=${tag}gateway&limit=2`);
    const durations = () => page.locator('.trace-item .duration').allInnerTexts();
    const more = page.getByRole('button', { name: 'Show older traces' });
    await until(async () => (await durations()).length === 2, 'the first two');
    await page.getByRole('heading', { name: 'The newest 2 traces' }).waitFor();
    await more.click();
    await until(async () => (await durations()).length === 4, 'the next two');
    await more.click();
    await until(async () => (await durations()).length === 5, 'the last');
    same(['184ms', '368ms', '552ms', '736ms', '920ms'], await durations(), 'newest first');
    same(0, await more.count(), 'buttons after the last page');
    await page.getByRole('heading', { name: /^5 traces/ }).waitFor();
});

test('live: a trace appears without a hand on the page, and the form is left alone', async (
    { page, otlpUrl },
) => {
    const tag = newTag();
    await send(otlpUrl, checkout({ tag, agoMs: 3000 }));
    await page.goto(`/search?service=${tag}gateway`);
    await page.locator('.trace-item').first().waitFor();
    const live = page.getByRole('button', { name: 'Live' });
    await live.click();
    same('true', await live.getAttribute('aria-pressed'), 'pressed');
    await page.getByLabel('Tags').fill('half=written');
    const address = page.url();
    await send(otlpUrl, checkout({ tag, agoMs: 0, scale: 2 }));
    await until(async () => (await page.locator('.trace-item').count()) === 2, 'the new trace');
    same('half=written', await page.getByLabel('Tags').inputValue(), 'what was being typed');
    same(address, page.url(), 'address');
    await live.click();
    same('false', await live.getAttribute('aria-pressed'), 'released');
    await page.waitForTimeout(500); // nothing is waited for: the list must stay
    same(2, await page.locator('.trace-item').count(), 'traces after live');
});

mockTest('live: an answer that takes longer than the time between two questions is waited for, in peace', async (
    { page, mock },
) => {
    const tag = newTag();
    await send(mock.otlpUrl, checkout({ tag, agoMs: 3000 }));
    await page.goto(`/search?service=${tag}gateway`);
    await page.locator('.trace-item').first().waitFor();
    let [atOnce, most, cutOff] = [0, 0, 0];
    const isSearch = (request) => request.url().includes('trace-summaries');
    page.on('request', (request) => isSearch(request) && (most = Math.max(most, ++atOnce)));
    page.on('requestfinished', (request) => isSearch(request) && atOnce--);
    page.on('requestfailed', (request) => isSearch(request) && cutOff++);
    mock.mood.delayMs = 2500;
    await page.getByRole('button', { name: 'Live' }).click();
    await until(() => atOnce === 1, 'the first question');
    await send(mock.otlpUrl, checkout({ tag, agoMs: 0, scale: 2 }));
    await until(async () => {
        same(0, await page.locator('.waiting, .state').count(), 'signs of loading over the list');
        return (await page.locator('.trace-item').count()) === 2;
    }, 'the new trace', 15_000);
    same(0, cutOff, 'questions cut off');
    same(1, most, 'questions at once');
});

mockTest('live: with nothing found, what is offered stays while it asks', async ({ page, mock }) => {
    const tag = newTag();
    await send(mock.otlpUrl, checkout({ tag, agoMs: 3000 }));
    await page.goto(`/search?service=${tag}gateway`);
    await page.getByRole('button', { name: 'Live' }).click();
    mock.forget();
    const offer = page.getByRole('button', { name: 'Search any time' });
    await offer.waitFor();
    mock.mood.delayMs = 1000;
    await page.waitForRequest((request) => request.url().includes('trace-summaries'));
    await page.waitForTimeout(300);
    check(await offer.isVisible(), 'the offer while it asks');
});

test('live: older traces that are asked for stay', async ({ page, otlpUrl }) => {
    const tag = newTag();
    await sendAll(otlpUrl, [1, 2, 3, 4, 5].map((i) => checkout({ tag, agoMs: i * 4000, scale: i })));
    await page.clock.install();
    await page.goto(`/search?service=${tag}gateway&limit=2`);
    const live = page.getByRole('button', { name: 'Live' });
    const count = (n) => until(
        async () => (await page.locator('.trace-item').count()) === n, `${n} traces listed`);
    await count(2);
    await live.click();
    await page.getByRole('button', { name: 'Show older traces' }).click();
    await count(4);
    same('false', await live.getAttribute('aria-pressed'), 'live while one reads older ones');
    await page.clock.runFor(5000);
    await page.waitForTimeout(300);
    await count(4);
    await live.click();
    await count(2);
});

/** Answers of one kind wait from here on; the function it answers lets them go. */
async function holdAnswers(page, isHeld) {
    let letGo;
    const held = new Promise((done) => (letGo = done));
    await page.route((url) => url.pathname.endsWith('/trace-summaries') && isHeld(url), async (route) => {
        await held;
        await route.continue().catch(() => {}); // the page may have given it up
    });
    return letGo;
}

test('live: older traces that are asked for stay, also when an answer is on its way', async (
    { page, otlpUrl },
) => {
    const tag = newTag();
    await sendAll(otlpUrl, [1, 2, 3].map((i) => checkout({ tag, agoMs: i * 4000, scale: i })));
    await page.goto(`/search?service=${tag}gateway&limit=2`);
    await page.locator('.trace-item').first().waitFor();
    const letGo = await holdAnswers(page, (url) => !url.searchParams.has('query.pageToken'));
    const answered = page.waitForResponse((response) => response.url().includes('trace-summaries')
        && !response.url().includes('pageToken'));
    const asked = page.waitForRequest((request) => request.url().includes('trace-summaries'));
    await page.getByRole('button', { name: 'Live' }).click();
    await asked;
    await page.getByRole('button', { name: 'Show older traces' }).click();
    await until(async () => (await page.locator('.trace-item').count()) === 3, 'the older one');
    letGo();
    await answered;
    await page.waitForTimeout(500); // nothing is waited for: the list must stay
    same(3, await page.locator('.trace-item').count(), 'traces');
});

test('on a phone the form folds and nothing is wider than the screen', async ({ page, otlpUrl }) => {
    await send(otlpUrl, checkout({ tag: newTag() }));
    await page.goto('/search');
    await page.locator('.trace-item').first().waitFor();
    check(!(await page.getByLabel('Tags').isVisible()), 'tags are folded away');
    await page.getByRole('button', { name: 'More filters' }).click();
    check(await page.getByLabel('Tags').isVisible(), 'tags are there');
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    check(wide <= 0, `${wide} px too wide`);
}, { size: NARROW });

test('on a phone, what is set or wrong in the folded part is not hidden', async ({ page }) => {
    await page.goto('/search?minDuration=1h&tags={"a":"b"}');
    await page.getByRole('button', { name: 'More filters (2 set)' }).waitFor();
    await page.goto('/search?minDuration=soon');
    await page.getByText('Write a duration such as').waitFor();
    check(await page.getByLabel('Min duration').isVisible(), 'the field in question');
    const told = await page.getByLabel('Min duration').evaluate(
        (e) => document.getElementById(e.getAttribute('aria-describedby'))?.textContent);
    check(told?.startsWith('Write a duration'), `described by ${told}`);
}, { size: NARROW });
