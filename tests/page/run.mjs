/* run.mjs - the page's tests in a real browser.
 *
 *     node tests/page/run.mjs [words of a test's name]
 *
 * Against the mock by default; ui/dist must be built. Against a real server with
 *     KISEKI_URL=http://127.0.0.1:16686 KISEKI_OTLP_URL=http://127.0.0.1:4318
 * where the tests that need the mock are printed as NOT RUN. KISEKI_CHROMIUM names another browser.
 */
import { runAll } from './harness.mjs';
import { startMock } from './mock.mjs';
import './search_test.mjs';
import './trace_test.mjs';
import './hostile_test.mjs';
import './states_test.mjs';

const { KISEKI_URL, KISEKI_OTLP_URL } = process.env;
const mock = KISEKI_URL ? null : await startMock();
const world = mock ? { url: mock.url, otlpUrl: mock.otlpUrl, mock }
    : { url: KISEKI_URL, otlpUrl: KISEKI_OTLP_URL ?? 'http://127.0.0.1:4318', mock: null };

const { passed, failed } = await runAll(world, process.argv.slice(2).join(' '));
await mock?.close();
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
