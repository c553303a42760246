/* first_span.c - the smallest program that is traced.
 *
 *     cc first_span.c $(pkg-config --cflags --libs kiseki) -o first_span
 *     OTEL_TRACES_EXPORTER=console ./first_span        to look at the span
 *     ./first_span                                     to send it to http://localhost:4318
 */
#include <kiseki/kiseki.h>

KIS_TRACER(hello, "first-span", "1.0.0")

int main(void)
{
    kis_sdk *sdk = kis_sdk_start(&(kis_sdk_options){ .service_name = KIS_STR("first-span") }, NULL);
    {
        KIS_SPAN(span, hello(), "say hello", .attrs = KIS_ATTRS(KIS_KV("greeting.to", "world")));
        kis_span_event(span, "said", KIS_KV("loudly", "yes"));
    }
    return kis_sdk_stop(sdk, 2000) == KIS_OK ? 0 : 1;
}
