/* orders.c - the second of the three services: keeps orders, and has them paid.
 *
 *     kiseki-example-orders [--port 8082] [--payments http://localhost:8083]
 *
 * What it shows: a client span, whose context travels in the headers of the call; spans for a
 * database that is only pretended.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kiseki/kiseki.h>

#include "http.h"

KIS_TRACER(tracer, "orders", "1.0.0")

static const char *payments_url;

static void query(const char *operation, const char *statement, int order)
{
    char name[64];
    snprintf(name, sizeof(name), "%s orders", operation);
    KIS_SPAN(span, tracer(), name, .kind = KIS_SPAN_KIND_CLIENT,
             .attrs = KIS_ATTRS(KIS_KV("db.system.name", "postgresql"),
                                KIS_KV("db.operation.name", operation),
                                KIS_KV("db.collection.name", "orders"),
                                KIS_KV("db.query.text", statement), KIS_KV("order.id", order)));
    usleep(800 + (useconds_t)(order % 7) * 300);
    kis_span_set(span, KIS_KV("db.response.returned_rows", 1));
}

/* Calls the payments service inside a client span. Answers its status, 0 when it could not be
 * reached. */
static int pay(int order)
{
    KIS_SPAN(span, tracer(), "POST /charge/{order}", .kind = KIS_SPAN_KIND_CLIENT,
             .attrs = KIS_ATTRS(KIS_KV("http.request.method", "POST"),
                                KIS_KV("server.address", "payments"), KIS_KV("order.id", order)));
    char problem[64];
    http_message request = { .method = "POST" }, response;
    kis_carrier headers = http_carrier(&request);

    snprintf(request.path, sizeof(request.path), "/charge/%d", order);
    kis_context_inject(kis_context_current(), &headers);
    if (!http_call(payments_url, &request, &response)) {
        kis_span_record_error(span, "ConnectionError", response.body);
        kis_span_fail(span, response.body);
        return 0;
    }
    kis_span_set(span, KIS_KV("http.response.status_code", response.status));
    if (response.status >= 400) {
        snprintf(problem, sizeof(problem), "payments answered %d", response.status);
        kis_span_fail(span, problem);
    }
    return response.status;
}

static void handle(http_message *request, http_message *response)
{
    kis_carrier headers = http_carrier(request);
    kis_context caller = kis_context_extract(kis_context_none(), &headers);
    bool is_new = strcmp(request->method, "POST") == 0;
    int order = atoi(request->path + sizeof("/orders/") - 1);

    KIS_SPAN(span, tracer(), is_new ? "POST /orders/{id}" : "GET /orders/{id}",
             .kind = KIS_SPAN_KIND_SERVER, .parent = caller,
             .attrs = KIS_ATTRS(KIS_KV("http.request.method", request->method),
                                KIS_KV("url.path", request->path),
                                KIS_KV("http.route", "/orders/{id}")));

    query("SELECT", "SELECT * FROM orders WHERE id = $1", order);
    if (is_new) {
        int status = pay(order);
        response->status = status == 200 ? 201 : 502;
        if (status == 200)
            query("INSERT", "INSERT INTO orders (id, state) VALUES ($1, 'paid')", order);
        else
            kis_span_fail(span, "the order was not paid");
    }
    snprintf(response->body, sizeof(response->body), "{\"order\":%d,\"ok\":%s}", order,
             response->status < 400 ? "true" : "false");
    kis_span_set(span, KIS_KV("http.response.status_code", response->status));
}

static const char usage[] =
    "kiseki-example-orders [--port 8082] [--payments http://localhost:8083]\n"
    "The second of three services that are traced: keeps orders.";

int main(int argc, char **argv)
{
    kis_diag diag;

    if (asks_for_help(argc, argv, usage))
        return 0;
    kis_sdk *sdk = kis_sdk_start(&(kis_sdk_options){ .service_name = KIS_STR("orders") }, &diag);
    if (!sdk)
        fprintf(stderr, "tracing is off: %s\n", diag.text);

    payments_url = option(argc, argv, "payments", "http://localhost:8083");
    bool has_served = http_serve("orders", atoi(option(argc, argv, "port", "8082")), handle);
    kis_sdk_stop(sdk, 2000);
    return has_served ? 0 : 1;
}
