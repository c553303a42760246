/* load_make.c - see load_make.h.
 *
 *     script ─> protobuf with placeholders ─(JSON: decode, encode)─> body ─> scan ─> patches
 *
 * Placeholders are values that nothing else in the body has: ids that begin with a magic, times
 * just above a fixed instant, runs of '~' (hex digits to come) and '`' (decimal digits to come).
 * Finding them afterwards by one scan serves both encodings and keeps the making simple; giving out
 * a request is then one copy and a few stores a span.
 */
#include "load_make.h"

#include "base/diag.h"
#include "base/fmt.h"
#include "base/hash.h"
#include "base/num.h"
#include "base/vec.h"
#include "model/attr.h"
#include "wire/otlp.h"

#define TRACE_MAGIC \
    "\xd1\x5e\xa5\xed\xb0\xa7\xca\xfe\xf0\x0d\xba\xbe" /* 12 bytes, then the number, big-endian */
#define SPAN_MAGIC   "\xfa\xce\xb0\x0c"                /* 4 bytes, then the number */
#define TIME_BASE    1700000000000000000u              /* the number is what is above it */
#define TIME_NUMBERS 1000000u
#define TEXT_RUN_MIN \
    4 /* no text that begins with a run is 96 or 126 bytes long, for its length would look like \
         part of it */
#define BODY_BYTES_MAX ((size_t)256 << 20)

/* ---- random numbers: one stream a request, made from its seed ---- */

static uint64_t mix_words(uint64_t a, uint64_t b)
{
    return kis_hash_u64(a * 0x9e3779b97f4a7c15u + b + 0x2545f4914f6cdd1du);
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545f4914f6cdd1du;
}

kis_trace_id kis_load_trace_id(uint64_t seed, uint32_t trace)
{
    kis_trace_id id;
    uint64_t halves[2] = { mix_words(seed, (uint64_t)trace * 2 + 1) | 1,
                           mix_words(seed, (uint64_t)trace * 2 + 2) };
    memcpy(id.bytes, halves, 16);
    return id;
}

kis_span_id kis_load_span_id(uint64_t seed, uint32_t span)
{
    kis_span_id id;
    uint64_t word = mix_words(seed ^ 0xa5a5a5a5a5a5a5a5u, span) | 1;
    memcpy(id.bytes, &word, 8);
    return id;
}

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

typedef enum step_kind {
    STEP_HTTP,
    STEP_GRPC,
    STEP_SQL,
    STEP_CACHE,
    STEP_MESSAGE,
    STEP_KINDS
} step_kind;

typedef struct load_step {
    uint32_t trace, service, parent; /* parent: a span number, or its own number for a root */
    step_kind kind;
    uint8_t otlp_kind;
    bool is_error, has_event;
    uint32_t variant;
    uint32_t start_us, end_us;
} load_step;

typedef struct load_script {
    load_step *steps;
    uint32_t count, traces;
    uint64_t random;
    uint32_t services;
} load_script;

static uint32_t pick(load_script *s, uint32_t below)
{
    return (uint32_t)(next_random(&s->random) >> 33) % below;
}

/* One trace of about ten steps: a request at the gateway, calls below it, databases at the leaves.
 */
static void write_trace(load_script *s, uint32_t first, uint32_t count)
{
    uint32_t begin_us = pick(s, 400000);

    for (uint32_t i = 0; i < count; i++) {
        load_step *step = &s->steps[first + i];
        uint32_t parent = i == 0 ? first : first + (i < 4 ? 0 : pick(s, i));
        const load_step *above = &s->steps[parent];
        step_kind kind = i == 0 ? STEP_HTTP : (step_kind)pick(s, STEP_KINDS);
        uint32_t start = i == 0 ? begin_us : above->start_us + 20 + pick(s, 2000);
        *step = (load_step){
            .trace = s->traces,
            .service = i == 0              ? 0
                       : kind <= STEP_GRPC ? pick(s, s->services)
                                           : above->service,
            .parent = parent,
            .kind = kind,
            .otlp_kind = i == 0 || (kind <= STEP_GRPC && pick(s, 2)) ? 2
                         : kind == STEP_MESSAGE                      ? 4
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

static void write_script(load_script *s)
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
    const load_script *script;
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

static kis_str span_name(const load_step *step, char room[128])
{
    switch (step->kind) {
    case STEP_HTTP:
        return name_in(room, step->otlp_kind == 2 ? "GET %s" : "GET",
                       routes[step->variant % KIS_COUNT_OF(routes)]);
    case STEP_GRPC:
        return name_in(room, "shop.inventory.v1.InventoryService/%s",
                       rpc_methods[step->variant % KIS_COUNT_OF(rpc_methods)]);
    case STEP_SQL:
        return name_in(room, "SELECT %s", tables[step->variant % KIS_COUNT_OF(tables)]);
    case STEP_CACHE:
        return name_in(room, "redis-%s", step->variant % 3 ? "GET" : "SETEX");
    default:
        return name_in(room, "publish %s", tables[step->variant % KIS_COUNT_OF(tables)]);
    }
}

static void put_http_attrs(load_writer *w, const load_step *step)
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

static void put_grpc_attrs(load_writer *w, const load_step *step)
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

static void put_sql_attrs(load_writer *w, const load_step *step)
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

static void put_cache_attrs(load_writer *w, const load_step *step)
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

static void put_message_attrs(load_writer *w, const load_step *step)
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

static void put_event(load_writer *w, const load_step *step, uint32_t span)
{
    size_t event = kis_pb_begin(w->out, 11);

    kis_pb_put_fix64(w->out, 1, TIME_BASE + 2 * (uint64_t)span + 1); /* at the span's end */
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
    static void (*const put_attrs[STEP_KINDS])(load_writer *, const load_step *) = {
        put_http_attrs, put_grpc_attrs, put_sql_attrs, put_cache_attrs, put_message_attrs
    };
    const load_step *step = &w->script->steps[number];
    uint8_t trace_id[16], span_id[8], parent_id[8];
    char room[128];
    size_t span = kis_pb_begin(w->out, 2);

    id_with_number(trace_id, TRACE_MAGIC, 12, step->trace);
    id_with_number(span_id, SPAN_MAGIC, 4, number);
    id_with_number(parent_id, SPAN_MAGIC, 4, step->parent);
    kis_pb_put_bytes(w->out, 1, kis_bytes_of(trace_id, 16));
    kis_pb_put_bytes(w->out, 2, kis_bytes_of(span_id, 8));
    if (step->parent != number)
        kis_pb_put_bytes(w->out, 4, kis_bytes_of(parent_id, 8));
    kis_pb_put_str(w->out, 5, span_name(step, room));
    kis_pb_put_varint(w->out, 6, step->otlp_kind);
    kis_pb_put_fix64(w->out, 7, TIME_BASE + 2 * (uint64_t)number);
    kis_pb_put_fix64(w->out, 8, TIME_BASE + 2 * (uint64_t)number + 1);
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

static void put_scope_spans(load_writer *w, uint32_t service, step_kind kind)
{
    size_t scope_spans = 0;
    bool has_any = false;

    for (uint32_t i = 0; i < w->script->count; i++) {
        const load_step *step = &w->script->steps[i];
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

static void put_request(load_writer *w)
{
    for (uint32_t service = 0; service < w->script->services; service++) {
        size_t resource_spans = kis_pb_begin(w->out, 1);
        put_resource(w, service);
        for (int kind = 0; kind < STEP_KINDS; kind++)
            put_scope_spans(w, service, (step_kind)kind);
        kis_pb_end(w->out, resource_spans);
    }
}

/* ---- where the placeholders are ---- */

typedef KIS_VEC(kis_load_patch) patch_list;

static uint32_t big_endian(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The placeholder that begins at `at` of a protobuf body; answers its length, 0 for none. */
static size_t find_in_protobuf(const uint8_t *at, size_t left, kis_load_patch *out)
{
    uint64_t word;

    if (left >= 16 && memcmp(at, TRACE_MAGIC, 12) == 0) {
        *out = (kis_load_patch){ .kind = KIS_PATCH_TRACE, .number = big_endian(at + 12) };
        return 16;
    }
    if (left >= 8 && memcmp(at, SPAN_MAGIC, 4) == 0) {
        *out = (kis_load_patch){ .kind = KIS_PATCH_SPAN, .number = big_endian(at + 4) };
        return 8;
    }
    if (left < 8)
        return 0;
    memcpy(&word, at, 8);
    if (word - TIME_BASE >= TIME_NUMBERS)
        return 0;
    *out = (kis_load_patch){ .kind = KIS_PATCH_TIME, .number = (uint32_t)(word - TIME_BASE) };
    return 8;
}

static size_t find_in_json(const uint8_t *at, size_t left, kis_load_patch *out)
{
    uint8_t id[16];
    uint64_t time;

    if (left >= 32 && memcmp(at, "d15ea5ed", 8) == 0 &&
        kis_hex_parse(kis_str_of((const char *)at, 32), false, id, 16) == KIS_OK) {
        *out = (kis_load_patch){ .kind = KIS_PATCH_TRACE, .number = big_endian(id + 12) };
        return 32;
    }
    if (left >= 16 && memcmp(at, "faceb00c", 8) == 0 &&
        kis_hex_parse(kis_str_of((const char *)at, 16), false, id, 8) == KIS_OK) {
        *out = (kis_load_patch){ .kind = KIS_PATCH_SPAN, .number = big_endian(id + 4) };
        return 16;
    }
    if (left >= 19 && memcmp(at, "1700000000000", 13) == 0 &&
        kis_u64_parse(kis_str_of((const char *)at, 19), &time) == KIS_OK) {
        *out = (kis_load_patch){ .kind = KIS_PATCH_TIME, .number = (uint32_t)(time - TIME_BASE) };
        return 19;
    }
    return 0;
}

static size_t find_text(const uint8_t *at, size_t left, kis_load_patch *out)
{
    size_t len = 0;

    if (*at != '~' && *at != '`')
        return 0;
    while (len < left && at[len] == *at)
        len++;
    if (len < TEXT_RUN_MIN) /* a length or a number that happens to be that byte */
        return 0;
    *out = (kis_load_patch){ .kind = *at == '~' ? KIS_PATCH_HEX : KIS_PATCH_DECIMAL,
                             .number = (uint32_t)len };
    return len;
}

static bool find_patches(kis_bytes body, bool is_json, patch_list *list, const kis_alloc *alloc)
{
    for (size_t at = 0; at < body.len;) {
        kis_load_patch patch;
        size_t len =
            (is_json ? find_in_json : find_in_protobuf)(body.ptr + at, body.len - at, &patch);
        if (len == 0)
            len = find_text(body.ptr + at, body.len - at, &patch);
        if (len) {
            patch.at = (uint32_t)at;
            if (!KIS_VEC_PUSH(list, alloc, patch))
                return false;
        }
        at += len ? len : 1;
    }
    return true;
}

/* ---- templates ---- */

static void *take_array(const kis_alloc *alloc, size_t count, size_t size)
{
    return alloc->take(alloc->user, (count ? count : 1) * size);
}
static void give_array(const kis_alloc *alloc, void *at, size_t count, size_t size)
{
    if (at)
        alloc->give_back(alloc->user, at, (count ? count : 1) * size);
}

/* The protobuf body as OTLP/JSON, through the codecs that everybody uses. */
static kis_err body_to_json(kis_buf *body, const kis_alloc *alloc, kis_diag *diag)
{
    kis_batch *batch = kis_batch_new(alloc, BODY_BYTES_MAX);
    kis_buf json;

    if (!batch)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for a request");
    batch->body = kis_buf_bytes(body);
    kis_buf_init(&json, alloc, BODY_BYTES_MAX);
    kis_err err = kis_otlp_decode(batch, diag);
    if (!err) {
        kis_otlp_json_encode(batch, &json);
        err = json.err;
    }
    kis_batch_unref(batch);
    kis_buf_done(body);
    *body = json;
    return err;
}

static kis_err keep_body(kis_load_template *t, const kis_buf *body, const kis_alloc *alloc)
{
    uint8_t *copy = take_array(alloc, body->len, 1);

    if (!copy)
        return KIS_ERR_NOMEM;
    memcpy(copy, body->ptr, body->len);
    t->body = kis_bytes_of(copy, body->len);
    return KIS_OK;
}

static kis_err keep_script(kis_load_template *t, const load_script *script, const kis_alloc *alloc)
{
    t->span_count = script->count;
    t->trace_count = script->traces;
    t->time_count = script->count * 2;
    t->trace_of_span = take_array(alloc, script->count, sizeof(uint32_t));
    t->time_offsets_us = take_array(alloc, t->time_count, sizeof(uint32_t));
    if (!t->trace_of_span || !t->time_offsets_us)
        return KIS_ERR_NOMEM;
    for (uint32_t i = 0; i < script->count; i++) {
        t->trace_of_span[i] = script->steps[i].trace;
        t->time_offsets_us[2 * i] = script->steps[i].start_us;
        t->time_offsets_us[2 * i + 1] = script->steps[i].end_us;
    }
    return KIS_OK;
}

static kis_err make_template(kis_load_template *t, const kis_load_mix *mix, uint64_t seed,
                             const kis_alloc *alloc, kis_diag *diag)
{
    load_script script = { .count = mix->spans_per_request,
                           .random = mix_words(mix->seed, seed) | 1,
                           .services = mix->services };
    patch_list patches = { 0 };
    kis_buf body;

    script.steps = take_array(alloc, script.count, sizeof(load_step));
    if (!script.steps)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for %u spans", script.count);
    write_script(&script);
    kis_buf_init(&body, alloc, BODY_BYTES_MAX);
    load_writer writer = { &body, &script, mix->is_harsh };
    put_request(&writer);
    kis_err err = body.err;
    if (!err && mix->is_json)
        err = body_to_json(&body, alloc, diag);
    if (!err && !find_patches(kis_buf_bytes(&body), mix->is_json, &patches, alloc))
        err = KIS_ERR_NOMEM;
    if (!err)
        err = keep_body(t, &body, alloc);
    if (!err)
        err = keep_script(t, &script, alloc);
    if (!err) {
        t->patches = take_array(alloc, patches.len, sizeof(kis_load_patch));
        t->patch_count = patches.len;
        if (t->patches)
            memcpy(t->patches, patches.at, sizeof(kis_load_patch) * patches.len);
        else
            err = KIS_ERR_NOMEM;
    }
    KIS_VEC_DONE(&patches, alloc);
    kis_buf_done(&body);
    give_array(alloc, script.steps, script.count, sizeof(load_step));
    return err;
}

kis_err kis_load_maker_init(kis_load_maker *maker, const kis_load_mix *mix, const kis_alloc *alloc,
                            kis_diag *diag)
{
    memset(maker, 0, sizeof(*maker));
    maker->is_json = mix->is_json;
    maker->alloc = alloc;
    for (uint64_t i = 0; i < KIS_LOAD_TEMPLATES; i++) {
        kis_err err = make_template(&maker->templates[i], mix, i + 1, alloc, diag);
        if (err) {
            kis_load_maker_done(maker);
            return kis_diag_in(diag, err, "making requests");
        }
    }
    return KIS_OK;
}

void kis_load_maker_done(kis_load_maker *maker)
{
    for (int i = 0; i < KIS_LOAD_TEMPLATES && maker->alloc; i++) {
        kis_load_template *t = &maker->templates[i];
        give_array(maker->alloc, (void *)(uintptr_t)t->body.ptr, t->body.len, 1);
        give_array(maker->alloc, t->patches, t->patch_count, sizeof(kis_load_patch));
        give_array(maker->alloc, t->trace_of_span, t->span_count, sizeof(uint32_t));
        give_array(maker->alloc, t->time_offsets_us, t->time_count, sizeof(uint32_t));
    }
    memset(maker, 0, sizeof(*maker));
}

/* ---- giving out ---- */

const kis_load_template *kis_load_template_of(const kis_load_maker *maker, uint64_t seed)
{
    return &maker->templates[seed % KIS_LOAD_TEMPLATES];
}

size_t kis_load_body_max(const kis_load_maker *maker)
{
    size_t most = 0;
    for (int i = 0; i < KIS_LOAD_TEMPLATES; i++)
        most = KIS_MAX(most, maker->templates[i].body.len);
    return most;
}

static void write_hex(uint8_t *to, uint32_t len, uint64_t *random)
{
    for (uint32_t i = 0; i < len;) {
        uint64_t bits = next_random(random);
        for (int k = 0; k < 16 && i < len; k++, bits >>= 4)
            to[i++] = (uint8_t) "0123456789abcdef"[bits & 15];
    }
}

static void write_decimal(uint8_t *to, uint32_t len, uint64_t *random)
{
    uint64_t bits = next_random(random) >> 1;

    for (uint32_t i = 0; i < len;
         i++, bits /= 10) /* the first digit is never 0: addresses and numbers look like some */
        to[i] = (uint8_t)('0' + (i ? bits % 10 : 1 + bits % 9));
}

/* Times go up to 1/8 beyond the script's, by the request's own randomness: a span's end jitters,
 * its start does not. */
static uint64_t time_of(const kis_load_template *t, uint32_t number, uint64_t seed,
                        uint64_t begin_unix_ns)
{
    uint64_t us = t->time_offsets_us[number];
    uint64_t jitter_ns = mix_words(seed, 0x77777777u + number) % 1000;

    if (number & 1)
        jitter_ns += (mix_words(seed, number) & 0xffff) * (us - t->time_offsets_us[number - 1]) *
                     1000 / (8 * 65536);
    return begin_unix_ns + us * 1000 + jitter_ns;
}

static void write_time(uint8_t *to, uint64_t time, bool is_json)
{
    char text[KIS_NUM_TEXT_MAX];

    if (!is_json) {
        memcpy(to, &time, 8);
        return;
    }
    if (kis_u64_format(time, text) == 19)
        memcpy(to, text, 19);
}

void kis_load_make(const kis_load_maker *maker, uint64_t seed, uint64_t begin_unix_ns, uint8_t *to)
{
    const kis_load_template *t = kis_load_template_of(maker, seed);
    uint64_t random = mix_words(seed, 0x5eed) | 1;

    memcpy(to, t->body.ptr, t->body.len);
    for (uint32_t i = 0; i < t->patch_count; i++) {
        const kis_load_patch *p = &t->patches[i];
        uint8_t *at = to + p->at;
        if (p->kind == KIS_PATCH_TRACE) {
            kis_trace_id id = kis_load_trace_id(seed, p->number);
            maker->is_json ? kis_hex_format(id.bytes, 16, (char *)at)
                           : (void)memcpy(at, id.bytes, 16);
        } else if (p->kind == KIS_PATCH_SPAN) {
            kis_span_id id = kis_load_span_id(seed, p->number);
            maker->is_json ? kis_hex_format(id.bytes, 8, (char *)at)
                           : (void)memcpy(at, id.bytes, 8);
        } else if (p->kind == KIS_PATCH_TIME) {
            write_time(at, time_of(t, p->number, seed, begin_unix_ns), maker->is_json);
        } else if (p->kind == KIS_PATCH_HEX) {
            write_hex(at, p->number, &random);
        } else {
            write_decimal(at, p->number, &random);
        }
    }
}
