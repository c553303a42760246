// V8's JSON.parse of one OTLP/JSON request, again and again: node json_parse.mjs FILE.json [LOOPS]
// Prints CPU time a span; the spans are counted once, outside of the time.
import { readFileSync } from "node:fs";

const [path, loops = "200"] = process.argv.slice(2);
const text = readFileSync(path, "utf8");
let spans = 0;
for (const resource of JSON.parse(text).resourceSpans)
    for (const scope of resource.scopeSpans)
        spans += scope.spans.length;

for (let i = 0; i < 20; i++) // warm
    JSON.parse(text);
const before = process.cpuUsage();
let kept = 0;
for (let i = 0; i < Number(loops); i++)
    kept += JSON.parse(text).resourceSpans.length;
const used = process.cpuUsage(before);
const ns = ((used.user + used.system) * 1000) / (Number(loops) * spans);
console.log(`peer=v8 version=${process.versions.v8} spans=${spans * Number(loops)} ns_per_span=${ns.toFixed(1)} bytes_per_span=${(text.length / spans).toFixed(1)} check=${kept}`);
