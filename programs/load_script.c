/* load_script.c - see load_script.h. */
#include "load_script.h"

#include "load_random.h"

#include "base/fmt.h"
#include "model/attr.h"

/* ---- the script: what services do ---- */

static const char *const service_names[] = {
    "api-gateway",   "auth-service", "catalog-service", "inventory-service", "search-service",
    "order-service", "cart-service", "payment-service", "shipping-service",  "notification-worker"
};
static const char *const routes[] = { "/api/orders/{id}", "/api/carts/{id}/items",
                                      "/api/catalog/search", "/api/users/{id}", "/api/payments" };
static const char *const tables[] = { "orders", "users",    "sessions", "products",
                                      "stock",  "payments", "shipments" };
static const char *const rpc_methods[] = { "VerifyToken", "Reserve", "GetStock",
                                           "Charge",      "Quote",   "Find" };
static const char *const scopes[] = { "@opentelemetry/instrumentation-http",
                                      "@opentelemetry/instrumentation-grpc",
                                      "@opentelemetry/instrumentation-pg",
                                      "@opentelemetry/instrumentation-redis",
                                      "@opentelemetry/instrumentation-amqplib" };

static uint32_t pick(kis_load_script *s, uint32_t below)
{
    return (uint32_t)(kis_load_next_random(&s->random) >> 33) % below;
}

/* One trace of about ten steps: a request at the gateway, calls below it, databases at the leaves.
 */
static void write_trace(kis_load_script *s, uint32_t first, uint32_t count)
{
    uint32_t begin_us = pick(s, 400000);

    for (uint32_t i = 0; i < count; i++) {
        kis_load_step *step = &s->steps[first + i];
        uint32_t parent = i == 0 ? first : first + (i < 4 ? 0 : pick(s, i));
        const kis_load_step *above = &s->steps[parent];
        kis_load_step_kind kind =
            i == 0 ? KIS_LOAD_HTTP : (kis_load_step_kind)pick(s, KIS_LOAD_STEP_KINDS);
        uint32_t start = i == 0 ? begin_us : above->start_us + 20 + pick(s, 2000);
        *step = (kis_load_step){
            .trace = s->traces,
            .service = i == 0                  ? 0
                       : kind <= KIS_LOAD_GRPC ? pick(s, s->services)
                                               : above->service,
            .parent = parent,
            .kind = kind,
            .otlp_kind = i == 0 || (kind <= KIS_LOAD_GRPC && pick(s, 2)) ? 2
                         : kind == KIS_LOAD_MESSAGE                      ? 4
                                                                         : 3,
            .is_error = pick(s, 64) == 0,
            .has_event = pick(s, 4) == 0,
            .variant = pick(s, 1000),
            .start_us = start,
            .end_us = start + 150 + pick(s, i == 0 ? 90000 : 9000),
        };
    }
    s->traces++;
}

void kis_load_script_write(kis_load_script *s)
{
    for (uint32_t at = 0; at < s->count;) {
        uint32_t wanted = 4 + pick(s, 13), count = KIS_MIN(s->count - at, wanted);
        write_trace(s, at, count);
        at += count;
    }
}

/* ---- the script as protobuf ---- */

typedef struct load_writer {
    kis_buf *out;
    const kis_load_script *script;
    bool is_harsh;
} load_writer;

static kis_str name_in(char room[128], const char *format, const char *part)
{
    return kis_str_of(room, kis_fmt(room, 128, format, part));
}

static void put_attr(load_writer *w, const char *key, const char *value)
{
    kis_attr_put_str(w->out, KIS_TAG_SPAN_ATTRS, kis_str_from_c(key), kis_str_from_c(value));
}
static void put_int(load_writer *w, const char *key, int64_t value)
{
    kis_attr_put_int(w->out, KIS_TAG_SPAN_ATTRS, kis_str_from_c(key), value);
}

static kis_str span_name(const kis_load_step *step, char room[128])
{
    switch (step->kind) {
    case KIS_LOAD_HTTP:
        return name_in(room, step->otlp_kind == 2 ? "GET %s" : "GET",
                       routes[step->variant % KIS_COUNT_OF(routes)]);
    case KIS_LOAD_GRPC:
        return name_in(room, "shop.inventory.v1.InventoryService/%s",
                       rpc_methods[step->variant % KIS_COUNT_OF(rpc_methods)]);
    case KIS_LOAD_SQL:
        return name_in(room, "SELECT %s", tables[step->variant % KIS_COUNT_OF(tables)]);
    case KIS_LOAD_CACHE:
        return name_in(room, "redis-%s", step->variant % 3 ? "GET" : "SETEX");
    default:
        return name_in(room, "publish %s", tables[step->variant % KIS_COUNT_OF(tables)]);
    }
}

static void put_http_attrs(load_writer *w, const kis_load_step *step)
{
    put_attr(w, "http.request.method", step->variant % 5 ? "GET" : "POST");
    put_attr(w, "http.route", routes[step->variant % KIS_COUNT_OF(routes)]);
    put_attr(w, "url.full", "http://gateway.shop.example/api/orders/```````?expand=items");
    put_attr(w, "url.scheme", "http");
    put_int(w, "http.response.status_code", step->is_error ? 500 : 200);
    put_attr(w, "server.address", service_names[step->service % KIS_COUNT_OF(service_names)]);
    put_int(w, "server.port", 8080);
    put_attr(w, "user_agent.original",
             "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
             "Chrome/141.0.0.0 Safari/537.36");
    put_attr(w, "client.address", "fd00::````");
}

static void put_grpc_attrs(load_writer *w, const kis_load_step *step)
{
    put_attr(w, "rpc.system", "grpc");
    put_attr(w, "rpc.service", "shop.inventory.v1.InventoryService");
    put_attr(w, "rpc.method", rpc_methods[step->variant % KIS_COUNT_OF(rpc_methods)]);
    put_int(w, "rpc.grpc.status_code", step->is_error ? 13 : 0);
    put_attr(w, "server.address", service_names[step->service % KIS_COUNT_OF(service_names)]);
    put_int(w, "server.port", 50051);
    put_attr(w, "network.peer.address", "fd00::````");
    put_attr(w, "enduser.id", "user-``````");
}

static void put_sql_attrs(load_writer *w, const kis_load_step *step)
{
    char text[192];

    put_attr(w, "db.system.name", "postgresql");
    put_attr(w, "db.namespace", "shop");
    put_attr(w, "db.operation.name", "SELECT");
    put_attr(w, "db.collection.name", tables[step->variant % KIS_COUNT_OF(tables)]);
    kis_fmt(text, sizeof(text),
            "SELECT id, status, total_cents, currency, created_at, updated_at FROM shop.%s WHERE "
            "id = $1 AND tenant = $2 AND deleted_at IS NULL ORDER BY id",
            tables[step->variant % KIS_COUNT_OF(tables)]);
    put_attr(w, "db.query.text", text);
    put_int(w, "db.response.returned_rows", step->variant % 50);
    put_attr(w, "server.address", "pg-primary.internal");
    put_int(w, "server.port", 5432);
    put_attr(w, "db.user", "shop");
}

static void put_cache_attrs(load_writer *w, const kis_load_step *step)
{
    put_attr(w, "db.system.name", "redis");
    put_attr(w, "db.operation.name", step->variant % 3 ? "GET" : "SETEX");
    put_attr(w, "db.query.text",
             step->variant % 3 ? "GET session:~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~"
                               : "SETEX session:~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~ 3600 ?");
    put_attr(w, "server.address", "redis.internal");
    put_int(w, "server.port", 6379);
    put_int(w, "db.redis.database_index", 0);
    kis_attr_put_bool(w->out, KIS_TAG_SPAN_ATTRS, KIS_STR("cache.hit"), step->variant % 4 != 0);
    kis_attr_put_double(w->out, KIS_TAG_SPAN_ATTRS, KIS_STR("cache.load"),
                        (double)(step->variant % 100) / 100);
}

static void put_message_attrs(load_writer *w, const kis_load_step *step)
{
    put_attr(w, "messaging.system", "rabbitmq");
    put_attr(w, "messaging.operation.type", "publish");
    put_attr(w, "messaging.destination.name", tables[step->variant % KIS_COUNT_OF(tables)]);
    put_attr(w, "messaging.message.id", "~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~");
    put_int(w, "messaging.message.body.size", 200 + step->variant);
    put_attr(w, "server.address", "rabbit.internal");
    put_int(w, "server.port", 5672);
    put_attr(w, "network.protocol.name", "amqp");
}

/* Six more, four of them random from end to end: little to share, little to compress. */
static void put_harsh_attrs(load_writer *w)
{
    put_attr(w, "request.token",
             "~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~");
    put_attr(w, "request.signature",
             "~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~");
    put_attr(w, "session.id", "~~~~~~~~-~~~~-~~~~-~~~~-~~~~~~~~~~~~");
    put_attr(w, "payload.head",
             "~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~"
             "~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~");
    put_attr(w, "account", "account-```````````");
    put_attr(w, "feature.flags", "new-checkout,fast-search");
}

static void put_event(load_writer *w, const kis_load_step *step, uint32_t span)
{
    size_t event = kis_pb_begin(w->out, 11);

    /* at the span's end */
    kis_pb_put_fix64(w->out, 1, KIS_LOAD_TIME_BASE + 2 * (uint64_t)span + 1);
    kis_pb_put_str(w->out, 2, step->is_error ? KIS_STR("exception") : KIS_STR("message"));
    if (step->is_error) {
        kis_attr_put_str(w->out, KIS_TAG_EVENT_ATTRS, KIS_STR("exception.type"),
                         KIS_STR("TimeoutError"));
        kis_attr_put_str(w->out, KIS_TAG_EVENT_ATTRS, KIS_STR("exception.message"),
                         KIS_STR("upstream did not answer within 2000 ms"));
    } else {
        kis_attr_put_str(w->out, KIS_TAG_EVENT_ATTRS, KIS_STR("message.type"), KIS_STR("SENT"));
        kis_attr_put_int(w->out, KIS_TAG_EVENT_ATTRS, KIS_STR("message.id"), step->variant);
    }
    kis_pb_end(w->out, event);
}

static void id_with_number(uint8_t *id, const char *magic, size_t magic_len, uint32_t number)
{
    memcpy(id, magic, magic_len);
    for (int i = 0; i < 4; i++)
        id[magic_len + i] = (uint8_t)(number >> (24 - 8 * i));
}

static void put_span(load_writer *w, uint32_t number)
{
    static void (*const put_attrs[KIS_LOAD_STEP_KINDS])(load_writer *, const kis_load_step *) = {
        put_http_attrs, put_grpc_attrs, put_sql_attrs, put_cache_attrs, put_message_attrs
    };
    const kis_load_step *step = &w->script->steps[number];
    uint8_t trace_id[16], span_id[8], parent_id[8];
    char room[128];
    size_t span = kis_pb_begin(w->out, 2);

    id_with_number(trace_id, KIS_LOAD_TRACE_MAGIC, 12, step->trace);
    id_with_number(span_id, KIS_LOAD_SPAN_MAGIC, 4, number);
    id_with_number(parent_id, KIS_LOAD_SPAN_MAGIC, 4, step->parent);
    kis_pb_put_bytes(w->out, 1, kis_bytes_of(trace_id, 16));
    kis_pb_put_bytes(w->out, 2, kis_bytes_of(span_id, 8));
    if (step->parent != number)
        kis_pb_put_bytes(w->out, 4, kis_bytes_of(parent_id, 8));
    kis_pb_put_str(w->out, 5, span_name(step, room));
    kis_pb_put_varint(w->out, 6, step->otlp_kind);
    kis_pb_put_fix64(w->out, 7, KIS_LOAD_TIME_BASE + 2 * (uint64_t)number);
    kis_pb_put_fix64(w->out, 8, KIS_LOAD_TIME_BASE + 2 * (uint64_t)number + 1);
    put_attrs[step->kind](w, step);
    if (step->variant % 2)
        put_int(w, "thread.id", 1 + step->variant % 16);
    if (w->is_harsh)
        put_harsh_attrs(w);
    if (step->has_event || step->is_error)
        put_event(w, step, number);
    size_t status = kis_pb_begin(w->out, 15);
    if (step->is_error) {
        kis_pb_put_str(w->out, 2, KIS_STR("upstream did not answer within 2000 ms"));
        kis_pb_put_varint(w->out, 3, 2);
    }
    kis_pb_end(w->out, status);
    kis_pb_put_fix32(w->out, 16, 0x101);
    kis_pb_end(w->out, span);
}

static kis_str service_name(uint32_t service, char room[128])
{
    uint32_t names = KIS_COUNT_OF(service_names);
    if (service < names)
        return kis_str_from_c(service_names[service]);
    return kis_str_of(room,
                      kis_fmt(room, 128, "%s-%u", service_names[service % names], service / names));
}

static void put_resource(load_writer *w, uint32_t service)
{
    char room[128];
    kis_str name = service_name(service, room);
    const struct {
        const char *key, *value;
    } rest[] = {
        { "service.namespace", "shop" },
        { "service.version", "4.28.5" },
        { "service.instance.id", "b8687a2d-211f-487f-a9c5-9b07892d645f" },
        { "deployment.environment.name", "production" },
        { "telemetry.sdk.name", "opentelemetry" },
        { "telemetry.sdk.language", "go" },
        { "telemetry.sdk.version", "1.38.0" },
        { "host.name", "node-5.eu-west-1.example.internal" },
        { "host.arch", "amd64" },
        { "os.type", "linux" },
        { "process.runtime.name", "go" },
        { "k8s.namespace.name", "shop" },
        { "k8s.pod.name", "pod-90c3fc2282-a5a33" },
        { "cloud.provider", "aws" },
        { "cloud.region", "eu-west-1" },
    };
    size_t resource = kis_pb_begin(w->out, 1);

    kis_attr_put_str(w->out, KIS_TAG_RESOURCE_ATTRS, KIS_STR("service.name"), name);
    for (size_t i = 0; i < KIS_COUNT_OF(rest); i++)
        kis_attr_put_str(w->out, KIS_TAG_RESOURCE_ATTRS, kis_str_from_c(rest[i].key),
                         kis_str_from_c(rest[i].value));
    kis_attr_put_int(w->out, KIS_TAG_RESOURCE_ATTRS, KIS_STR("process.pid"), 2 + service);
    kis_pb_end(w->out, resource);
}

static void put_scope_spans(load_writer *w, uint32_t service, kis_load_step_kind kind)
{
    size_t scope_spans = 0;
    bool has_any = false;

    for (uint32_t i = 0; i < w->script->count; i++) {
        const kis_load_step *step = &w->script->steps[i];
        if (step->service != service || step->kind != kind)
            continue;
        if (!has_any) {
            scope_spans = kis_pb_begin(w->out, 2);
            size_t scope = kis_pb_begin(w->out, 1);
            kis_pb_put_str(w->out, 1, kis_str_from_c(scopes[kind]));
            kis_pb_put_str(w->out, 2, KIS_STR("0.53.0"));
            kis_pb_end(w->out, scope);
            has_any = true;
        }
        put_span(w, i);
    }
    if (has_any)
        kis_pb_end(w->out, scope_spans);
}

void kis_load_script_put(const kis_load_script *script, bool is_harsh, kis_buf *out)
{
    load_writer w = { out, script, is_harsh };
    for (uint32_t service = 0; service < script->services; service++) {
        size_t resource_spans = kis_pb_begin(out, 1);
        put_resource(&w, service);
        for (int kind = 0; kind < KIS_LOAD_STEP_KINDS; kind++)
            put_scope_spans(&w, service, (kis_load_step_kind)kind);
        kis_pb_end(out, resource_spans);
    }
}
