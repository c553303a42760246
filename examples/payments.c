/* payments.c - the last of the three services: takes money, and fails now and then.
 *
 *     kiseki-example-payments [--port 8083] [--fail-every 7]
 *
 * What it shows: a server span from an incoming context, a child span for the work inside, an error
 * with its reason.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <kiseki/kiseki.h>

#include "http.h"

KIS_TRACER(tracer, "payments", "1.0.0")

static int fail_every;

/* Asks the card company. Answers NULL, or why not. */
static const char *charge_card(int order)
{
    KIS_SPAN(span, tracer(), "charge card",
             .attrs = KIS_ATTRS(KIS_KV("order.id", order),
                                KIS_KV("card.network", order % 2 ? "visa" : "mastercard")));

    usleep(2000 + (useconds_t)(order % 5) * 1500);
    if (fail_every && order % fail_every == 0) {
        kis_span_record_error(span, "CardDeclined", "insufficient funds");
        kis_span_fail(span, "insufficient funds");
        return "insufficient funds";
    }
    kis_span_event(span, "authorised", KIS_KV("authorisation.code", order * 31 % 10000));
    return NULL;
}

static void handle(http_message *request, http_message *response)
{
    kis_carrier headers = http_carrier(request);
    kis_context caller = kis_context_extract(kis_context_none(), &headers);

    KIS_SPAN(span, tracer(), "POST /charge/{order}", .kind = KIS_SPAN_KIND_SERVER, .parent = caller,
             .attrs = KIS_ATTRS(KIS_KV("http.request.method", request->method),
                                KIS_KV("url.path", request->path),
                                KIS_KV("http.route", "/charge/{order}")));

    const char *problem = charge_card(atoi(request->path + sizeof("/charge/") - 1));
    response->status = problem ? 502 : 200;
    snprintf(response->body, sizeof(response->body),
             problem ? "{\"error\":\"%s\"}" : "{\"paid\":true}", problem ? problem : "");
    kis_span_set(span, KIS_KV("http.response.status_code", response->status));
    if (problem)
        kis_span_fail(span, problem);
}

static const char usage[] =
    "kiseki-example-payments [--port 8083] [--fail-every 7]\n"
    "The last of three services that are traced: takes money, and fails now and then.";

int main(int argc, char **argv)
{
    kis_diag diag;

    if (asks_for_help(argc, argv, usage))
        return 0;
    kis_sdk *sdk = kis_sdk_start(&(kis_sdk_options){ .service_name = KIS_STR("payments") }, &diag);
    if (!sdk)
        fprintf(stderr, "tracing is off: %s\n", diag.text);

    fail_every = atoi(option(argc, argv, "fail-every", "7"));
    bool has_served = http_serve("payments", atoi(option(argc, argv, "port", "8083")), handle);
    kis_sdk_stop(sdk, 2000);
    return has_served ? 0 : 1;
}
