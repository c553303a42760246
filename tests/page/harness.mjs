/* harness.mjs - a test is a name and a function of a fresh page. Beside what it says itself, every
 * test fails when the page asked another host for something, or wrote an error to the console
 * (a breach of the content policy does). */
import { createRequire } from 'node:module';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const { chromium } = createRequire(new URL('../../ui/package.json', import.meta.url))('playwright-core');

const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export const WIDE = { width: 1280, height: 800 };
export const NARROW = { width: 390, height: 844 };

const tests = [];

/** options: size, context (playwright's), allow (texts of console errors that are meant), paintsLateMs
 * (each frame, and what the page does after it, comes so much later: on a busy machine a key or a
 * click is often first). KISEKI_PAINTS_LATE_MS=200 does that to all tests. */
export function test(name, run, options = {}) {
    tests.push({ name, run, options });
}

/** Needs what only the mock can do; left out, by name, against a real server. */
export function mockTest(name, run, options = {}) {
    tests.push({ name, run, options, needsMock: true });
}

export class CheckFailed extends Error {}

export function check(isTrue, what) {
    if (!isTrue) throw new CheckFailed(what);
}

export function same(want, got, what) {
    const [a, b] = [JSON.stringify(want), JSON.stringify(got)];
    if (a !== b) throw new CheckFailed(`${what}: want ${a}, got ${b}`);
}

/** Waits until `probe` answers something true; its last answer is in the complaint. */
export async function until(probe, what, limitMs = 8000) {
    const end = Date.now() + limitMs;
    let last;
    while (Date.now() < end) {
        last = await probe();
        if (last) return last;
        await new Promise((done) => setTimeout(done, 20));
    }
    throw new CheckFailed(`${what} (last: ${JSON.stringify(last)})`);
}

export async function runAll(world, pattern) {
    const profile = await mkdtemp(join(tmpdir(), 'kiseki-page-'));
    const browser = await chromium.launch({
        executablePath: process.env.KISEKI_CHROMIUM ?? '/usr/bin/chromium', args: FLAGS,
        env: { ...process.env, HOME: profile },
    });
    const counts = { passed: 0, failed: 0 };
    for (const one of tests) {
        if (pattern && !one.name.includes(pattern)) continue;
        if (one.needsMock && !world.mock) {
            console.log(`NOT RUN  ${one.name} (needs the mock)`);
            continue;
        }
        const started = Date.now();
        const problem = await runOne(browser, world, one);
        counts[problem ? 'failed' : 'passed']++;
        console.log(`${problem ? 'FAILED' : 'ok    '}  ${one.name} (${Date.now() - started} ms)`);
        if (problem) console.log(`        ${problem}`);
    }
    await browser.close();
    await rm(profile, { recursive: true, force: true });
    return counts;
}

/** Runs in the page: frames, and timers short enough to stand in for one, come late. */
function paintLate(lateMs) {
    const { setTimeout } = window;
    const FRAME_MS = 50;
    window.requestAnimationFrame = (paint) => setTimeout(() => paint(performance.now()), lateMs);
    window.cancelAnimationFrame = window.clearTimeout;
    window.setTimeout = (work, ms = 0, ...rest) => setTimeout(work, ms <= FRAME_MS ? lateMs : ms, ...rest);
}

async function runOne(browser, world, { run, options }) {
    const context = await browser.newContext({
        viewport: options.size ?? WIDE, baseURL: world.url, timezoneId: 'Europe/Berlin',
        colorScheme: 'light', ...options.context,
    });
    context.setDefaultTimeout(8000);
    const page = await context.newPage();
    const lateMs = options.paintsLateMs ?? Number(process.env.KISEKI_PAINTS_LATE_MS ?? 0);
    if (lateMs > 0) await page.addInitScript(paintLate, lateMs);
    const complaints = [];
    const allowed = (text) => (options.allow ?? []).some((part) => text.includes(part));
    page.on('pageerror', (error) => complaints.push(`page error: ${error.message}`));
    page.on('console', (message) => {
        if (message.type() === 'error' && !allowed(message.text()))
            complaints.push(`console: ${message.text()}`);
    });
    page.on('request', (request) => {
        if (new URL(request.url()).origin !== new URL(world.url).origin)
            complaints.push(`asked another host: ${request.url().slice(0, 200)}`);
    });
    try {
        if (world.mock) for (const key of Object.keys(world.mock.mood)) delete world.mock.mood[key];
        await run({ page, context, ...world });
        return complaints.join('\n        ');
    } catch (error) {
        const text = error instanceof CheckFailed ? error.message : error.stack;
        return [text, ...complaints].join('\n        ');
    } finally {
        await context.close();
    }
}
