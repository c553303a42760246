/* trace_test.mjs - the trace page: waterfall, folding, finding, detail, keys, permalinks. */
import { check, NARROW, same, test, until, WIDE } from './harness.mjs';
import { big, checkout, circles, hex, orphans, send, TraceMaker } from './spans.mjs';

const rowNames = (page) => page.locator('.row .operation').allInnerTexts();
const rowCount = async (page) => Number(await page.getByRole('treegrid').getAttribute('aria-rowcount'));
const markedNames = (page) => page.locator('.row:has(.mark.warn) .operation').allInnerTexts();
const chosen = (page) => page.locator('.row.selected .operation').innerText();

async function open({ page, otlpUrl }, trace, query = '') {
    await send(otlpUrl, trace);
    await page.goto(`/trace/${trace.traceId}${query}`);
    await page.locator('.row').first().waitFor();
    return trace;
}

test('the waterfall has a row a span, children under parents, in time order', async (world) => {
    await open(world, checkout());
    same([
        'POST /checkout', 'authenticate', 'POST orders/orders', 'POST /orders', 'SELECT stock',
        'SELECT stock', 'SELECT stock', 'SELECT stock', 'POST payments/charge', 'POST /charge',
        'SET charge:lock', 'POST bank/authorize', 'orders.placed send', 'render',
    ], await rowNames(world.page), 'rows');
    const levels = await world.page.locator('.row').evaluateAll(
        (rows) => rows.map((row) => row.getAttribute('aria-level')).join(''));
    same('12234444456642', levels, 'levels');
});

test('bars stand where the spans were', async (world) => {
    await open(world, checkout());
    const boxes = await world.page.locator('.row .bar').evaluateAll((bars) => bars.map((bar) => {
        const [a, b] = [bar.getBoundingClientRect(), bar.parentElement.getBoundingClientRect()];
        return [(a.left - b.left) / b.width, a.width / b.width];
    }));
    const near = (want, got, what) => check(Math.abs(want - got) < 0.005, `${what}: ${got}, want ${want}`);
    near(0, boxes[0][0], 'root starts');
    near(1, boxes[0][1], 'root is as long as the trace');
    near(11500 / 184000, boxes[3][0], 'POST /orders starts');
    near(146000 / 184000, boxes[3][1], 'POST /orders lasts');
});

test('errors are marked, in rows and in the head', async (world) => {
    await open(world, checkout());
    same(3, await world.page.locator('.row .mark.error').count(), 'marked rows');
    same(3, await world.page.locator('.bar.has-error').count(), 'marked bars');
    same(3, await world.page.getByRole('img', { name: 'Error', exact: true }).count(), 'named marks');
    await world.page.locator('.trace-head', { hasText: '3 errors' }).waitFor();
});

test('the minimap shows each error of very many spans', async (world) => {
    const { page } = world;
    const trace = big({ spans: 20001, depth: 1000 });
    const errors = [...trace.groups.values()].flat().filter((span) => span.status.code === 2).length;
    same(20, errors, 'errors in the trace');
    await open(world, trace);
    const seen = await until(() => page.locator('.minimap canvas').evaluate((canvas) => {
        const { width, height } = canvas;
        const probe = document.createElement('i');
        probe.style.color = 'var(--error)';
        document.body.append(probe);
        const want = getComputedStyle(probe).color.match(/\d+/g).slice(0, 3).map(Number);
        probe.remove();
        const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
        let pixels = 0;
        for (let i = 0; i < data.length; i += 4) if (want.every((c, k) => data[i + k] === c)) pixels++;
        return pixels;
    }), 'an error in the minimap');
    check(seen >= 2 * errors, `${seen} pixels of ${errors} errors`);
});

test('errors are stepped through, also those in folded rows', async (world) => {
    const { page } = world;
    await open(world, checkout());
    await page.getByRole('button', { name: 'Fold all', exact: true }).click();
    const next = page.getByRole('button', { name: '3 errors' });
    const seen = [];
    for (let i = 0; i < 4; i++) {
        await next.click();
        await page.locator('.row.selected').waitFor();
        seen.push(await chosen(page));
    }
    same(['POST /checkout', 'POST /charge', 'POST bank/authorize', 'POST /checkout'], seen, 'around');
    await page.keyboard.press('e');
    same('POST /charge', await chosen(page), 'e');
    await page.keyboard.press('Shift+E');
    await page.keyboard.press('Shift+E');
    same('POST bank/authorize', await chosen(page), 'back around');
});

test('rows fold and unfold, one by one, by level, and all', async (world) => {
    const { page } = world;
    await open(world, checkout());
    same(14, await rowCount(page), 'all rows');
    await page.locator('.row', { hasText: 'POST orders/orders' }).getByRole('button').click();
    same(4, await rowCount(page), 'subtree hidden');
    await page.getByText('+10').waitFor();
    await page.getByRole('button', { name: 'Unfold all' }).click();
    same(14, await rowCount(page), 'all again');
    await page.getByRole('button', { name: 'Fold all', exact: true }).click();
    same(1, await rowCount(page), 'the root alone');
    await page.getByRole('button', { name: 'Unfold one level' }).click();
    same(4, await rowCount(page), 'two levels');
    await page.getByRole('button', { name: 'Unfold one level' }).click();
    same(5, await rowCount(page), 'three levels');
    await page.getByRole('button', { name: 'Fold one level', exact: true }).click();
    same(4, await rowCount(page), 'two levels again');
});

test('the detail shows attributes of every type', async (world) => {
    const { page } = world;
    await open(world, checkout());
    await page.locator('.row').first().click();
    const rows = await page.locator('.detail .attributes').first().locator('> div').allInnerTexts();
    const shown = Object.fromEntries(rows.map((row) => row.split(/\n/).map((part) => part.trim())));
    const wants = {
        'user.id': 'u-1041', 'http.response.status_code': '502', 'cart.total': '129.95',
        'cart.is_gift': 'false', 'cart.items': '["tea", "cup", "kettle"]',
        'cart.sizes': '{"tea": 2, "cup": 1}', 'big.int': '9007199254740993',
        'session.blob': Buffer.from('kiseki').toString('base64'),
    };
    for (const [key, value] of Object.entries(wants))
        check(shown[key]?.startsWith(value), `${key}: want ${value}, got ${shown[key]}`);
    const types = await page.locator('.detail .attributes small').allInnerTexts();
    for (const type of ['int', 'double', 'bool', 'array', 'map', 'bytes'])
        check(types.includes(type), `type ${type} in ${types}`);
});

test('the detail shows status, events, links, resource and scope', async (world) => {
    const { page } = world;
    await open(world, checkout());
    await page.locator('.row', { hasText: 'POST /charge' }).click();
    const text = await page.locator('.detail').innerText();
    for (const part of ['card declined by issuer', 'exception', '+91ms after its start', 'retry',
        'at charge (payments/src/charge.c:40)', 'service.version', 'kiseki/page-tests', 'server', '92.5ms'])
        check(text.includes(part), `"${part}" in the detail`);
    await page.locator('.row', { hasText: 'POST /orders' }).click();
    await page.locator('.detail', { hasText: 'why' }).waitFor();
    check(/^\/trace\/[0-9a-f]{32}\?span=[0-9a-f]{16}$/.test(
        await page.locator('.detail .links a').getAttribute('href')), 'the link leads to its trace');
    await page.getByRole('button', { name: 'Close detail' }).click();
    same(0, await page.locator('.detail').count(), 'details');
});

test('JSON in a value is indented on demand; keys break where they may', async (world) => {
    const { page } = world;
    const trace = new TraceMaker();
    const sent = '{"id":9007199254740993,"items":["tea","cup"],"is_gift":false}';
    trace.span('shop', 'order', '', 0, 100, { attributes: { 'order.as_json': sent } });
    await open(world, trace);
    const value = page.locator('.attributes > div', { hasText: 'order.as_json' });
    check((await value.innerText()).includes(sent), 'as it was sent');
    await value.getByRole('button', { name: 'Indent JSON' }).click();
    check((await value.innerText()).includes('  "id": 9007199254740993,\n'), 'indented, every digit there');
    await value.getByRole('button', { name: 'As sent' }).click();
    check((await value.innerText()).includes(sent), 'as it was sent again');
    same(2, await value.locator('dt wbr').count(), 'places to break the key');
});

test('a child that starts before its parent is told, with by how much', async (world) => {
    const { page } = world;
    const trace = new TraceMaker();
    const call = trace.span('near', 'call', '', 20000, 50000);
    trace.span('far', 'answer', call, 3000, 40000);
    await open(world, trace);
    await page.locator('.row', { hasText: 'answer' }).click();
    await page.getByText('It starts 17ms before its parent').waitFor();
    await page.locator('.row', { hasText: 'call' }).click();
    await page.locator('.detail', { hasText: 'a root' }).waitFor();
    same(0, await page.locator('.detail .warnings').count(), 'warnings of the parent');
    same(['answer'], await markedNames(page), 'marked rows');
    await page.locator('.oddities', { hasText: '1 span started outside of the parent’s time' }).waitFor();
});

test('an answer that starts after its call has ended is told, a message is not', async (world) => {
    const { page } = world;
    const trace = new TraceMaker();
    const call = trace.span('near', 'call', '', 0, 50000, { kind: 3 });
    trace.span('far', 'answer', call, 170000, 40000, { kind: 2 });
    trace.span('far', 'message', call, 170000, 40000, { kind: 5 });
    await open(world, trace);
    await page.locator('.row', { hasText: 'answer' }).click();
    await page.getByText('It starts 120ms after the end of its call').waitFor();
    await page.locator('.row', { hasText: 'message' }).click();
    await page.locator('.detail', { hasText: 'consumer' }).waitFor();
    same(0, await page.locator('.detail .warnings').count(), 'warnings of the message');
    same(['answer'], await markedNames(page), 'marked rows');
    await page.locator('.oddities', { hasText: '1 span started outside of the parent’s time' }).waitFor();
});

test('a span chosen just before the address follows the last one stays chosen', async (world) => {
    const { page } = world;
    await open(world, checkout());
    await page.locator('.row', { hasText: 'authenticate' }).click();
    await page.locator('.row.selected').waitFor();
    await page.evaluate(async () => {
        const rows = [...document.querySelectorAll('.row')];
        const choose = (text) => rows.find((row) => row.innerText.includes(text)).click();
        const busyFor = (ms) => {
            for (const end = performance.now() + ms; performance.now() < end;);
        };
        await new Promise((done) => setTimeout(done, 300));
        choose('render');
        await new Promise((done) => setTimeout(done, 100));
        choose('orders.placed send');
        busyFor(120);
    });
    await until(() => page.url().includes('span='), 'the span in the address');
    await page.waitForTimeout(400); // nothing is waited for: something must not happen
    same('orders.placed send', await chosen(page), 'chosen span');
});

test('the address names the chosen span, what is looked for and the zoom', async (world) => {
    const { page } = world;
    const trace = await open(world, checkout());
    await page.locator('.row', { hasText: 'SET charge:lock' }).click();
    await page.getByLabel('Find in this trace').fill('stock');
    await page.locator('.minimap').hover();
    const box = await page.locator('.minimap').boundingBox();
    await page.mouse.move(box.x + box.width * 0.25, box.y + 20);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.5, box.y + 20, { steps: 4 });
    await page.mouse.up();
    await until(() => /span=.*q=stock.*zoom=/.test(page.url()), 'all three in the address');
    const link = page.url();
    await page.goto(link);
    await page.locator('.row.selected').waitFor();
    same('SET charge:lock', await chosen(page), 'chosen span');
    same('stock', await page.getByLabel('Find in this trace').inputValue(), 'text to find');
    await page.getByText('4 matches').waitFor();
    await page.getByRole('button', { name: 'Whole trace' }).click();
    await until(() => !page.url().includes('zoom='), 'no zoom in the address');
    check(page.url().includes(trace.traceId), 'still the same trace');
});

test('going back within a trace brings back what was chosen, looked for and zoomed', async (world) => {
    const { page } = world;
    const trace = checkout();
    const [order] = trace.groups.get('orders');
    const [charge] = trace.groups.get('payments');
    order.links = [{ traceId: trace.traceId, spanId: charge.spanId }];
    await open(world, trace, `?span=${order.spanId.toUpperCase()}&zoom=0-100000000`);
    const box = page.getByLabel('Find in this trace');
    await box.fill('stock');
    await until(() => page.url().includes('q=stock'), 'the text in the address');
    const left = page.url();
    await page.locator('.detail .links a').click();
    await until(async () => (await chosen(page)) === 'POST /charge', 'the span of the link');
    same('', await box.inputValue(), 'looked for, by a link that says nothing of it');
    same(0, await page.getByRole('button', { name: 'Whole trace' }).count(), 'zoomed');
    await page.goBack();
    await until(async () => (await chosen(page)) === 'POST /orders', 'the span of before');
    same('stock', await box.inputValue(), 'looked for');
    await page.getByText('4 matches').waitFor();
    await page.getByRole('button', { name: 'Whole trace' }).waitFor();
    await page.waitForTimeout(400); // nothing is waited for: the address must not be written over
    same(left, page.url(), 'address');
    await page.goForward();
    await until(async () => (await chosen(page)) === 'POST /charge', 'the span of the link again');
    same('', await box.inputValue(), 'looked for, after going forward');
});

test('what was chosen a moment ago is in the link, and there after a reload and going back', async (world) => {
    const { page, context } = world;
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await open(world, checkout());
    /* in the same breath: sooner than the address is written */
    const chooseAndPress = (name, button) => page.evaluate(async (texts) => {
        for (const text of texts) {
            const all = [...document.querySelectorAll('.row, button, a')];
            all.find((e) => e.innerText.includes(text)).click();
            for (let i = 0; i < 5; i++) await null; // the page draws
        }
    }, [name, button]);
    await chooseAndPress('render', 'Reload');
    await page.locator('.row.selected').waitFor();
    same('render', await chosen(page), 'after a reload');
    await chooseAndPress('authenticate', 'Copy link');
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    await chooseAndPress('SET charge:lock', 'kiseki');
    await page.getByRole('button', { name: 'Find traces' }).waitFor();
    await page.goBack();
    await page.locator('.row.selected').waitFor();
    same('SET charge:lock', await chosen(page), 'after going back');
    await page.goto(copied);
    await page.locator('.row.selected').waitFor();
    same('authenticate', await chosen(page), 'by the link');
});

test('finding counts, marks and walks the matches, into folded rows too', async (world) => {
    const { page } = world;
    await open(world, checkout());
    await page.getByRole('button', { name: 'Fold all', exact: true }).click();
    const box = page.getByLabel('Find in this trace');
    await box.fill('SKU = $3');
    await page.getByText('1 match', { exact: true }).waitFor();
    await box.press('Enter');
    await page.getByText('1 of 1').waitFor();
    same('SELECT stock', await chosen(page), 'found and unfolded');
    await box.fill('stock');
    await page.getByText('3 of 4').waitFor();
    await box.press('Enter');
    await page.getByText('4 of 4').waitFor();
    await box.press('Enter');
    await page.getByText('1 of 4').waitFor();
    await box.press('Shift+Enter');
    await page.getByText('4 of 4').waitFor();
    same(4, await page.locator('.row.match').count(), 'marked rows');
    await box.fill('no such thing');
    await page.getByText('0 matches').waitFor();
});

test('a chip finds the spans of its service, and no others that name it', async (world) => {
    const { page } = world;
    const trace = new TraceMaker();
    const call = trace.span('my shop', 'call', '', 0, 9000, { attributes: { 'server.address': 'payments' } });
    trace.span('payments', 'charge', call, 1000, 5000, { status: { code: 2 } });
    trace.span('payments', 'lock', call, 2000, 1000);
    await open(world, trace);
    const box = page.getByLabel('Find in this trace');
    await page.locator('.legend .chip', { hasText: 'payments' }).click();
    await page.getByText('2 matches').waitFor();
    same('service=payments', await box.inputValue(), 'text to find');
    await page.locator('.legend .chip', { hasText: 'my shop' }).click();
    await page.getByText('1 match', { exact: true }).waitFor();
    same('service="my shop"', await box.inputValue(), 'text to find, quoted');
    await until(() => page.url().includes('q='), 'the address');
    await page.reload();
    await page.getByText('1 match', { exact: true }).waitFor();
    await box.fill('payments');
    await page.getByText('3 matches').waitFor();
});

/* The clock of the page stands still: whatever waits for the typing to pause is still waiting. */
const stopClock = async (page) => {
    await page.clock.install();
    await page.clock.pauseAt(Date.now() + 60_000);
};

test('Enter right behind the text goes to the first match, once that is known', async (world) => {
    const { page } = world;
    await open(world, checkout());
    const box = page.getByLabel('Find in this trace');
    await box.focus();
    await stopClock(page);
    await page.keyboard.type('stock\n\n');
    same(0, await page.locator('.row.selected').count(), 'rows chosen before anything is found');
    await page.clock.runFor(1000);
    await page.getByText('2 of 4').waitFor();
    await box.fill('charge');
    await box.press('Shift+Enter');
    await page.clock.runFor(1000);
    await page.getByText('3 of 3').waitFor();
    same('SET charge:lock', await chosen(page), 'the last before "SELECT stock", around the end');
});

test('Enter behind a new text does not go to a match of the old one', async (world) => {
    const { page } = world;
    await open(world, checkout());
    const box = page.getByLabel('Find in this trace');
    await box.fill('stock');
    await page.getByText('4 matches').waitFor();
    await stopClock(page);
    await box.fill('render');
    await box.press('Enter');
    same(0, await page.locator('.row.selected').count(), 'rows chosen before anything is found');
    same('…', await page.locator('.find .said').innerText(), 'said meanwhile');
    await page.clock.runFor(1000);
    await page.getByText('1 of 1').waitFor();
    same('render', await chosen(page), 'chosen');
});

test('a span chosen by hand while one looks for the first match stays chosen', async (world) => {
    const { page } = world;
    await open(world, checkout());
    await page.getByLabel('Find in this trace').focus();
    await stopClock(page);
    await page.keyboard.type('stock\n');
    await page.locator('.row', { hasText: 'authenticate' }).click();
    await page.clock.runFor(1000);
    await page.getByText('4 matches').waitFor();
    same('authenticate', await chosen(page), 'chosen');
});

test('the keyboard walks, folds, finds and helps', async (world) => {
    const { page } = world;
    await open(world, checkout());
    const press = (key) => page.keyboard.press(key);
    await press('f');
    await press('f');
    same('authenticate', await chosen(page), 'f, f');
    await press('b');
    same('POST /checkout', await chosen(page), 'b');
    await press('ArrowDown');
    await press('ArrowDown');
    await press('ArrowRight');
    same('POST /orders', await chosen(page), 'into the first child');
    await press('ArrowLeft');
    same(5, await rowCount(page), 'folded');
    await press('ArrowLeft');
    same('POST orders/orders', await chosen(page), 'to the parent');
    await press(']');
    same(1, await rowCount(page), 'folded all');
    await press('[');
    same(14, await rowCount(page), 'unfolded all');
    await press('p');
    same(12, await rowCount(page), 'one level less');
    await press('o');
    same(14, await rowCount(page), 'one level more');
    await press('+');
    await page.getByRole('button', { name: 'Whole trace' }).waitFor();
    await press('0');
    same(0, await page.getByRole('button', { name: 'Whole trace' }).count(), 'zoomed out');
    await press('End');
    same('render', await chosen(page), 'End');
    await press('Escape');
    same(0, await page.locator('.detail').count(), 'closed by Esc');
    await press('Control+b');
    await page.keyboard.type('f]');
    same('f]', await page.getByLabel('Find in this trace').inputValue(), 'typed, not obeyed');
    await press('Escape');
    await press('?');
    await page.getByRole('dialog').getByText('Fold one level', { exact: true }).waitFor();
    const cramped = await page.locator('.key-help dt').evaluateAll((all) => all
        .filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.innerText));
    same([], cramped, 'keys that run into their words');
    await press('Escape');
    await until(async () => (await page.getByRole('dialog').count()) === 0, 'help closed');
});

test('End goes to the last span, also when none is chosen', async (world) => {
    const { page } = world;
    await open(world, checkout());
    await page.keyboard.press('End');
    same('render', await chosen(page), 'End');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Home');
    same('POST /checkout', await chosen(page), 'Home');
});

test('a chosen span that was folded away is walked from where it is hidden', async (world) => {
    const { page } = world;
    await open(world, checkout());
    const press = (key) => page.keyboard.press(key);
    const hide = async () => { // rows: POST /checkout, authenticate, POST orders/orders [+], render
        await page.locator('.row', { hasText: 'SET charge:lock' }).click();
        await page.locator('.row', { hasText: 'POST orders/orders' }).getByRole('button').click();
        same(4, await rowCount(page), 'rows while it is hidden');
    };
    await hide();
    await press('ArrowDown');
    same('render', await chosen(page), 'down');
    await press('[');
    await hide();
    await press('ArrowUp');
    same('POST orders/orders', await chosen(page), 'up');
    await press('[');
    await hide();
    await press('ArrowLeft');
    same('POST orders/orders', await chosen(page), 'left');
    same(4, await rowCount(page), 'rows after left');
    await press('[');
    await hide();
    await press('ArrowRight');
    same('SET charge:lock', await chosen(page), 'right shows it again');
    same(14, await rowCount(page), 'rows after right');
});

test('a key that comes before the next frame is obeyed', async (world) => {
    const { page } = world;
    await open(world, checkout());
    await page.keyboard.press('f');
    await page.keyboard.press('f');
    same('authenticate', await chosen(page), 'f, f');
    await page.keyboard.press('?');
    await page.keyboard.press('Escape');
    await until(async () => (await page.getByRole('dialog').count()) === 0, 'help closed');
    same('authenticate', await chosen(page), 'chosen as before');
}, { paintsLateMs: 1500 });

test('the detail scrolls by its own keys, and gives the focus back when it closes', async (world) => {
    const { page } = world;
    await open(world, checkout());
    await page.locator('.row').first().click();
    const close = page.getByRole('button', { name: 'Close detail' });
    await close.focus();
    await page.keyboard.press('End');
    await page.keyboard.press('ArrowDown');
    same('POST /checkout', await chosen(page), 'chosen span while the detail has the focus');
    await page.keyboard.press('f');
    same('authenticate', await chosen(page), 'f walks from anywhere');
    await close.focus();
    await page.keyboard.press('Escape');
    same(0, await page.locator('.detail').count(), 'details');
    check(await page.getByRole('treegrid').evaluate((e) => e === document.activeElement), 'focus on the rows');
    await page.keyboard.press('Control+f');
    check(await page.getByLabel('Find in this trace').evaluate((e) => e === document.activeElement),
        'focus in the find box');
});

test('a missing parent is a warning, and heals when the parent comes', async (world) => {
    const { page, otlpUrl } = world;
    const trace = orphans();
    const parent = trace.groups.get('worker')[0].parentSpanId;
    await open(world, trace);
    await page.getByText('the parent of 1 span has not arrived').waitFor();
    same(1, await page.locator('.row .mark.warn').count(), 'marked rows');
    same(0, await page.locator('.row .mark.error').count(), 'errors');
    const late = checkout();
    late.groups.clear();
    late.traceId = trace.traceId;
    late.startNs = trace.startNs;
    late.span('edge', 'send late message', trace.root, 9000, 25000, { spanId: parent });
    await send(otlpUrl, late);
    await until(async () => {
        await page.getByRole('button', { name: 'Reload' }).click();
        await page.locator('.row').first().waitFor();
        return (await page.locator('.row .mark.warn').count()) === 0;
    }, 'the mark goes');
    same(['GET /late', 'send late message', 'consume late message', 'step'], await rowNames(page), 'rows');
});

test('circles, own parents and times that run backwards are drawn and said', async (world) => {
    const { page } = world;
    await open(world, circles());
    same(7, await rowCount(page), 'rows');
    const said = await page.locator('.oddities').innerText();
    for (const part of ['1 circle', '1 span named as its own parent', '1 span without a sound start'])
        check(said.includes(part), `"${part}" in ${said}`);
    await page.locator('.row', { hasText: 'circle a' }).click();
    await page.locator('.detail', { hasText: 'the circle is cut here' }).waitFor();
});

test('copy: trace id, and a link to this view', async (world) => {
    const { page, context } = world;
    const trace = checkout();
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await open(world, trace);
    await page.getByRole('button', { name: 'Copy trace id' }).click();
    same(trace.traceId, await page.evaluate(() => navigator.clipboard.readText()), 'clipboard');
    await page.getByRole('button', { name: 'Copy a link' }).click();
    same(page.url(), await page.evaluate(() => navigator.clipboard.readText()), 'clipboard');
    same(`/api/v3/traces/${trace.traceId}`,
        await page.getByRole('link', { name: 'JSON' }).getAttribute('href'), 'JSON');
});

test('a browser that refuses to copy is not thanked', async (world) => {
    const { page } = world;
    await page.addInitScript(() => {
        Object.defineProperty(navigator, 'clipboard', { value: undefined });
        document.execCommand = () => false;
    });
    await open(world, checkout());
    await page.getByRole('button', { name: 'Copy trace id' }).click();
    await page.getByRole('button', { name: 'The browser refuses to copy' }).waitFor();
    await page.getByRole('button', { name: 'Copy trace id' }).waitFor();
});

test('on a phone a very long name leaves room for the rows', async (world) => {
    const trace = new TraceMaker();
    trace.span('service '.repeat(30), 'operation '.repeat(60), '', 0, 100);
    await open(world, trace);
    const { height } = await world.page.getByRole('heading', { level: 1 }).boundingBox();
    check(height < 90, `${height} px of heading`);
}, { size: NARROW });

for (const [where, size] of [['', WIDE], [', on a phone', NARROW]])
    test(`a very long service name leaves room for the operation${where}`, async (world) => {
        const { page } = world;
        const trace = new TraceMaker(1000);
        const service = `long-${hex(4)}-${'service-name-'.repeat(40)}end`;
        const operation = `GET /${hex(4)}`;
        trace.span(service, operation, '', 0, 100);
        trace.span(service, 'a child', '', 10, 10);
        await send(world.otlpUrl, trace);
        const isWhole = async (text, parent) => {
            const box = page.locator(`${parent} .operation`, { hasText: text });
            check(await box.evaluate((e) => {
                const range = document.createRange();
                range.selectNodeContents(e);
                const [text, own] = [range.getBoundingClientRect(), e.getBoundingClientRect()];
                return text.width > 0 && text.right <= own.right + 1 && text.bottom <= own.bottom + 1
                    && own.right <= innerWidth;
            }), `all of ${text} in ${parent}`);
        };
        await page.goto(`/search?service=${service}`);
        const item = page.locator('.trace-item');
        await item.first().waitFor();
        await isWhole(operation, '.trace-item');
        same(service, await item.locator('.name .service').getAttribute('title'), 'title in the list');
        await item.click();
        await page.locator('.row').first().waitFor();
        await isWhole(operation, '.trace-head h1');
        same(service, await page.locator('.trace-head h1 .service').getAttribute('title'), 'title in the head');
        await page.locator('.row').last().click();
        const owner = page.locator('.detail > header .service');
        same(service, await owner.getAttribute('title'), 'title in the detail');
        const { height } = await owner.boundingBox();
        check(height < 30, `${height} px of service in the detail`);
        same('ellipsis', await owner.locator('bdi').evaluate((e) => getComputedStyle(e).textOverflow), 'cut');
    }, { size });

test('on a phone the labels of the ruler stand apart, whatever is seen', async (world) => {
    const { page } = world;
    const trace = new TraceMaker();
    trace.span('shop', 'long', '', 0, 20_000_000);
    await open(world, trace);
    await page.keyboard.press('Escape');
    for (const ms of [100, 104, 108, 110, 112, 125, 150, 184, 205, 220, 1040, 1100, 2100, 9990, 10400]) {
        await page.goto(`/trace/${trace.traceId}?zoom=0-${ms}000000`);
        await page.locator('.ruler .scale span').first().waitFor();
        const gaps = await page.locator('.ruler .scale').evaluate((scale) => {
            const boxes = [...scale.children].map((e) => {
                const range = document.createRange();
                range.selectNodeContents(e);
                return range.getBoundingClientRect();
            });
            return boxes.slice(1).map((box, i) => box.left - boxes[i].right);
        });
        check(gaps.every((gap) => gap >= 6), `${ms} ms: gaps of ${gaps} px`);
        check(gaps.length > 0, `${ms} ms: one tick measures nothing`);
    }
}, { size: NARROW });

test('times are local, and UTC by one switch that is remembered', async (world) => {
    const { page } = world;
    await open(world, checkout({ agoMs: 0 }));
    const head = page.locator('.trace-head time');
    const local = await head.innerText();
    await page.getByRole('button', { name: /Times are local/ }).click();
    const utc = await head.innerText();
    check(/[+]0[12]:00$/.test(local), `Berlin's offset in ${local}`);
    check(utc.endsWith('UTC') && utc !== local, `UTC in ${utc}`);
    await page.reload();
    await until(async () => (await head.innerText()) === utc, 'UTC after a reload');
});

test('the theme follows the system until the switch says otherwise', async (world) => {
    const { page } = world;
    await open(world, checkout());
    const ink = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const light = await ink();
    await page.emulateMedia({ colorScheme: 'dark' });
    const dark = await ink();
    check(light !== dark, `${light} is not ${dark}`);
    await page.getByRole('button', { name: /^Theme: system/ }).click();
    same(light, await ink(), 'light by choice');
    await page.reload();
    await page.locator('.row').first().waitFor();
    same(light, await ink(), 'light after a reload');
    await page.getByRole('button', { name: /^Theme: light/ }).click();
    await page.emulateMedia({ colorScheme: 'light' });
    same(dark, await ink(), 'dark by choice');
});

test('what is no trace id is told so in the words of the search box', async ({ page }) => {
    await page.goto('/trace/xyz');
    await page.getByRole('heading', { name: 'Not a trace id' }).waitFor();
    const text = await page.locator('.state').innerText();
    check(text.includes('32 hexadecimal digits') && text.includes('xyz'), text);
    await page.getByRole('link', { name: 'Go to the search' }).click();
    await page.getByRole('button', { name: 'Find traces' }).waitFor();
});

test('a trace of one span shows its detail at once, and lets it be closed', async ({ page, otlpUrl }) => {
    const one = new TraceMaker();
    one.span('shop', 'alone', null, 0, 1000, { attributes: { 'who.is': 'alone' } });
    await send(otlpUrl, one);
    await page.goto(`/trace/${one.traceId}`);
    await page.locator('.detail').getByText('who.is').waitFor();
    await page.keyboard.press('Escape');
    await page.locator('.detail').waitFor({ state: 'detached' });
    same(1, await rowCount(page), 'rows');
});

test('an unknown trace is said to be unknown', async ({ page }) => {
    await page.goto(`/trace/${hex(16)}`);
    await page.getByRole('heading', { name: 'Not found' }).waitFor();
    await page.getByRole('link', { name: 'Go to the search' }).click();
    await page.getByRole('button', { name: 'Find traces' }).waitFor();
}, { allow: ['404'] });

test('100,000 spans, 10,000 deep, are drawn, scrolled, folded and found', async (world) => {
    const { page, otlpUrl } = world;
    const trace = await send(otlpUrl, big());
    const started = Date.now();
    await page.goto(`/trace/${trace.traceId}`);
    await page.locator('.row').first().waitFor({ timeout: 30000 });
    console.log(`        drawn ${Date.now() - started} ms after the address was given`);
    same(100000, await rowCount(page), 'rows');
    check((await page.locator('.row').count()) < 100, 'only rows in sight exist');
    await page.locator('.row').first().click();
    await page.keyboard.press('End');
    await page.locator('.row.selected').waitFor();
    await page.getByLabel('Find in this trace').fill('leaf-99999');
    await page.getByText('1 match', { exact: true }).waitFor({ timeout: 20000 });
    await page.getByLabel('Find in this trace').press('Enter');
    await page.locator('.detail .attributes', { hasText: 'leaf-99999' }).waitFor();
    same('leaf 99', await chosen(page), 'found');
    const [longest, most] = await page.evaluate(async () => {
        let [worst, rows] = [0, 0];
        const box = document.querySelector('.waterfall');
        for (let i = 0; i < 40; i++) {
            const from = performance.now();
            box.scrollTop = (box.scrollHeight * i) / 40;
            await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
            worst = Math.max(worst, performance.now() - from);
            rows = Math.max(rows, document.querySelectorAll('.row').length);
        }
        return [worst, rows];
    });
    console.log(`        longest step of scrolling ${Math.round(longest)} ms`);
    check(most < 100, `${most} rows exist after one step of scrolling`);
    await page.getByRole('button', { name: 'Fold all', exact: true }).click();
    await until(async () => (await rowCount(page)) === 1, 'folded');
});
