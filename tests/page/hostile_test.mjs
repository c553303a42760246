/* hostile_test.mjs - spans written by somebody who wishes the reader ill. */
import { check, same, test } from './harness.mjs';
import { hex, hostile, HOSTILE, send } from './spans.mjs';

const isUnharmed = async (page) => {
    same(undefined, await page.evaluate(() => window.pwned), 'window.pwned');
    const planted = await page.locator('#app script, #app img, #app b[onload], #app [onerror], #app [onload]');
    same(0, await planted.count(), 'planted elements');
};

test('markup in names is text on the search page', async ({ page, otlpUrl }) => {
    const tag = `h${hex(3)}-`;
    await send(otlpUrl, hostile(tag));
    await page.goto(`/search?service=${encodeURIComponent(`${tag}<svg onload=window.pwned=1>`)}`);
    const item = page.locator('.trace-item').first();
    await item.waitFor();
    check((await item.innerText()).includes(HOSTILE.script), 'the script is readable');
    await isUnharmed(page);
});

test('markup in every part of a span is text, and only http links are links', async (
    { page, otlpUrl },
) => {
    const trace = await send(otlpUrl, hostile());
    await page.goto(`/trace/${trace.traceId}`);
    await page.locator('.row').first().click();
    const text = await page.locator('.detail').innerText();
    for (const part of [HOSTILE.script, HOSTILE.image, HOSTILE.javascript, HOSTILE.data, '␛[31mred',
        '⟨U+202E⟩', 'one\ntwo\nthree'])
        check(text.includes(part), `${JSON.stringify(part)} in the detail`);
    await isUnharmed(page);
    const hrefs = await page.locator('a').evaluateAll((links) => links.map((a) => a.protocol));
    check(hrefs.every((protocol) => /^https?:$/.test(protocol)), `links: ${hrefs}`);
    check(!(await page.title()).includes('\u202e'), 'title');
});

test('a value of 64 KB is cut until asked for', async ({ page, otlpUrl }) => {
    const trace = await send(otlpUrl, hostile());
    await page.goto(`/trace/${trace.traceId}`);
    await page.locator('.row').first().click();
    const row = page.locator('.attributes > div', { hasText: 'long value' }).first();
    check((await row.innerText()).length < 1000, 'short at first');
    await row.getByRole('button', { name: 'Show all 65,527 characters' }).click();
    check((await row.innerText()).length > 60000, 'all of it');
    await row.getByRole('button', { name: 'Show less' }).click();
    check((await row.innerText()).length < 1000, 'short again');
});

test('a very long name does not widen the page', async ({ page, otlpUrl }) => {
    const trace = await send(otlpUrl, hostile());
    await page.goto(`/trace/${trace.traceId}`);
    await page.locator('.row').last().click();
    await page.locator('.detail').waitFor();
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    check(wide <= 0, `${wide} px too wide`);
});

test('an address of markup is text', async ({ page }) => {
    await page.goto('/trace/%3Cimg%20src%3Dx%20onerror%3Dwindow.pwned%3D1%3E?span=%3Cb%3E&q=%3Cscript%3E');
    await page.getByRole('heading', { name: 'Not a trace id' }).waitFor();
    await isUnharmed(page);
    await page.goto('/search?service=%3Cscript%3Ewindow.pwned%3D1%3C/script%3E&tags=%3Cimg%3E');
    await page.getByRole('button', { name: 'Find traces' }).waitFor();
    await isUnharmed(page);
}, { allow: ['404', '400'] });
