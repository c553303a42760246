/* shots.mjs - pictures of the page, for people to look at: search, trace and a chosen span, wide and
 * narrow, light and dark. Writes to the folder given, ./shots otherwise. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { NARROW, runAll, test, WIDE } from './harness.mjs';
import { startMock } from './mock.mjs';
import { checkout, sendAll, send, showcase } from './spans.mjs';

const folder = process.argv[2] ?? 'shots';
await mkdir(folder, { recursive: true });
const mock = await startMock();
await sendAll(mock.otlpUrl, showcase());
const trace = await send(mock.otlpUrl, checkout({ agoMs: 3000 }));
const charge = trace.groups.get('payments')[0].spanId;

for (const colorScheme of ['light', 'dark'])
    for (const [width, size] of [['wide', WIDE], ['narrow', NARROW]]) {
        const shoot = (name, address) =>
            test(`${name} ${width} ${colorScheme}`, async ({ page }) => {
                await page.goto(address);
                await page.locator('.trace-item, .row').first().waitFor();
                await page.waitForTimeout(200);
                await page.screenshot({ path: join(folder, `${name}-${width}-${colorScheme}.png`) });
            }, { size, context: { colorScheme } });
        shoot('search', '/search');
        shoot('trace', `/trace/${trace.traceId}`);
        shoot('span', `/trace/${trace.traceId}?span=${charge}`);
    }

const { passed, failed } = await runAll({ url: mock.url, otlpUrl: mock.otlpUrl, mock });
await mock.close();
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
