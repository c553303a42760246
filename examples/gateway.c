/* gateway.c - the first of the three services: what customers talk to.
 *
 *     kiseki-example-gateway [--port 8081] [--orders http://localhost:8082]
 *
 *     GET  /orders/7     shows an order
 *     POST /orders/7     places it
 *
 * What it shows: where a trace begins; baggage, which every service behind this one can read; a
 * service that cannot be reached.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kiseki/kiseki.h>

#include "http.h"

KIS_TRACER(tracer, "gateway", "1.0.0")

static const char *orders_url;

static bool is_allowed(const http_message *request)
{
    KIS_SPAN(span, tracer(), "check session");
    kis_span_set(span, KIS_KV("session.is_new", request->header_count % 2),
                 KIS_BOOL("session.is_valid", true));
    return true;
}

/* Passes the request on inside a client span. */
static void pass_on(const http_message *request, http_message *response, const char *route)
{
    KIS_SPAN(span, tracer(), route, .kind = KIS_SPAN_KIND_CLIENT,
             .attrs =
                 KIS_ATTRS(KIS_KV("http.request.method", request->method),
                           KIS_KV("url.path", request->path), KIS_KV("server.address", "orders")));
    char problem[64];
    http_message call = { .status = 0 };
    kis_carrier headers = http_carrier(&call);

    memcpy(call.method, request->method, sizeof(call.method));
    memcpy(call.path, request->path, sizeof(call.path));
    kis_context_inject(kis_baggage_set(kis_context_current(), KIS_STR("customer.tier"),
                                       KIS_STR("gold"), KIS_STR("")),
                       &headers);
    if (!http_call(orders_url, &call, response)) {
        kis_span_record_error(span, "ConnectionError", response->body);
        kis_span_fail(span, response->body);
        response->status = 503;
    } else if (response->status >= 400) {
        snprintf(problem, sizeof(problem), "orders answered %d", response->status);
        kis_span_fail(span, problem);
    }
    response->header_count = 0;
    kis_span_set(span, KIS_KV("http.response.status_code", response->status));
}

static void handle(http_message *request, http_message *response)
{
    kis_carrier headers = http_carrier(request);
    kis_context caller = kis_context_extract(kis_context_none(), &headers);
    const char *route =
        strcmp(request->method, "POST") == 0 ? "POST /orders/{id}" : "GET /orders/{id}";

    KIS_SPAN(span, tracer(), route, .kind = KIS_SPAN_KIND_SERVER, .parent = caller,
             .attrs = KIS_ATTRS(KIS_KV("http.request.method", request->method),
                                KIS_KV("url.path", request->path),
                                KIS_KV("http.route", "/orders/{id}")));

    if (is_allowed(request))
        pass_on(request, response, route);
    else
        response->status = 403;
    kis_span_set(span, KIS_KV("http.response.status_code", response->status));
    if (response->status >= 500)
        kis_span_fail(span, NULL);
}

static const char usage[] =
    "kiseki-example-gateway [--port 8081] [--orders http://localhost:8082]\n"
    "The first of three services that are traced: what customers talk to.";

int main(int argc, char **argv)
{
    kis_diag diag;

    if (asks_for_help(argc, argv, usage))
        return 0;
    kis_sdk *sdk = kis_sdk_start(&(kis_sdk_options){ .service_name = KIS_STR("gateway") }, &diag);
    if (!sdk)
        fprintf(stderr, "tracing is off: %s\n", diag.text);

    orders_url = option(argc, argv, "orders", "http://localhost:8082");
    bool has_served = http_serve("gateway", atoi(option(argc, argv, "port", "8081")), handle);
    kis_sdk_stop(sdk, 2000);
    return has_served ? 0 : 1;
}
