/* resource_detect.c - who we are: telemetry.sdk.*, service.*, process.*, host.name, and what the
 * environment and the program say.
 *
 * The last of a key counts, so the order is: found out, OTEL_RESOURCE_ATTRIBUTES,
 * OTEL_SERVICE_NAME, the program's.
 * Source: specification, resource/sdk.md; semantic conventions, resource/process.md.
 */
#include "native/native.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/fmt.h"
#include "base/num.h"
#include "os/os.h"

typedef struct attr_row {
    kis_attr *attrs;
    size_t count;
    bool is_full;
} attr_row;

static void add(attr_row *row, kis_attr attr)
{
    if (row->count < KIS_RESOURCE_ATTRS_MAX)
        row->attrs[row->count++] = attr;
    else
        row->is_full = true;
}

/* Text in the arena with a NUL, or NULL. */
static char *keep(kis_arena *arena, kis_str text)
{
    char *copy = kis_arena_take(arena, text.len + 1, 1);

    if (!copy)
        return NULL;
    if (text.len)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    return copy;
}

static char *program_name(kis_arena *arena)
{
    char path[4096];
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path));
    kis_str name = len > 0 ? kis_str_of(path, (size_t)len) : KIS_STR_NONE;

    for (size_t slash; (slash = kis_str_find_char(name, '/')) != KIS_STR_NPOS;)
        name = kis_str_slice(name, slash + 1, name.len);
    if (kis_str_ends(name, KIS_STR(" (deleted)")))
        name.len -= sizeof(" (deleted)") - 1;
    return keep(arena, name);
}

void kis_instance_id(char out[36])
{
    uint8_t bytes[16];
    char hex[32];

    kis_random_bytes(bytes, sizeof(bytes));
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    kis_hex_format(bytes, sizeof(bytes), hex);
    for (size_t from = 0, to = 0; from < sizeof(hex); from++) {
        if (from == 8 || from == 12 || from == 16 || from == 20)
            out[to++] = '-';
        out[to++] = hex[from];
    }
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Percent-decoded text in the arena; NULL: a broken %xx, or no memory. */
static char *decode(kis_arena *arena, kis_str text, size_t *len)
{
    char *out = kis_arena_take(arena, text.len + 1, 1);
    size_t to = 0;

    for (size_t i = 0; out && i < text.len; i++) {
        if (text.ptr[i] != '%') {
            out[to++] = text.ptr[i];
            continue;
        }
        if (i + 2 >= text.len || hex_digit(text.ptr[i + 1]) < 0 || hex_digit(text.ptr[i + 2]) < 0)
            return NULL;
        out[to++] = (char)(hex_digit(text.ptr[i + 1]) << 4 | hex_digit(text.ptr[i + 2]));
        i += 2;
    }
    if (out)
        out[to] = 0;
    *len = to;
    return out;
}

/* The next "key=value" of `rest`; an empty key: none any more. False: it is malformed, or there is
 * no memory. */
static bool next_pair(kis_str *rest, kis_arena *arena, kis_str *key, kis_str *value)
{
    kis_str pair = KIS_STR_NONE, name;
    char *text, *its_value = NULL;
    size_t equals;

    *key = KIS_STR_NONE;
    while (rest->len && !pair.len)
        pair = kis_str_trim(kis_str_cut(rest, ','));
    if (!pair.len)
        return true;
    equals = kis_str_find_char(pair, '=');
    name = kis_str_trim(kis_str_slice(pair, 0, equals));
    text = equals == KIS_STR_NPOS || !name.len ? NULL : decode(arena, name, &key->len);
    if (text)
        its_value =
            decode(arena, kis_str_trim(kis_str_slice(pair, equals + 1, pair.len)), &value->len);
    key->ptr = text;
    value->ptr = its_value;
    return its_value && kis_utf8_is_valid(*key) && kis_utf8_is_valid(*value);
}

/* "key=value,key=value", at most `room` of them. An error anywhere discards all of it
 * (resource/sdk.md, "Specifying resource information via an environment variable"). */
static void add_environment(attr_row *row, size_t room, const kis_host *host, kis_arena *arena)
{
    kis_str rest = kis_sdk_option_env("OTEL_RESOURCE_ATTRIBUTES", host), key, value;
    size_t before = row->count;
    char line[160];
    bool is_good;

    while ((is_good = next_pair(&rest, arena, &key, &value)) && key.len &&
           row->count - before < room)
        add(row, kis_attr_str(key.ptr, value));
    if (is_good && !key.len)
        return;
    row->count = before;
    if (is_good)
        kis_fmt(line, sizeof(line), "OTEL_RESOURCE_ATTRIBUTES: more than %zu; all of it is ignored",
                room);
    else
        kis_fmt(line, sizeof(line),
                "OTEL_RESOURCE_ATTRIBUTES: want key=value,... with values percent-coded; all of it "
                "is ignored");
    if (host->log)
        host->log(host->user, KIS_LOG_WARN, line);
}

/* How many there may be beside those that are there and the program's. */
static size_t room_for_environment(const attr_row *row, const kis_sdk_options *given)
{
    size_t taken = row->count + 2 + (given ? given->resource.count : 0); /* 2: service names */

    return taken < KIS_RESOURCE_ATTRS_MAX ? KIS_RESOURCE_ATTRS_MAX - taken : 0;
}

kis_err kis_resource_detect(const kis_sdk_options *given, const kis_host *host,
                            const char instance_id[36], kis_arena *arena,
                            kis_attr attrs[KIS_RESOURCE_ATTRS_MAX], size_t *out_count,
                            kis_diag *diag)
{
    attr_row row = { .attrs = attrs };
    char name[256] = "", *program = program_name(arena), *service, *host_name;
    const char *env_service = host->getenv ? host->getenv(host->user, "OTEL_SERVICE_NAME") : NULL;
    size_t size = program ? strlen(program) + sizeof("unknown_service:") : 0;

    if (gethostname(name, sizeof(name) - 1))
        name[0] = 0;
    host_name = keep(arena, kis_str_from_c(name));
    service = size ? kis_arena_take(arena, size, 1) : NULL;
    if (!program || !service || !host_name)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "resource: out of memory");
    kis_fmt(service, size, program[0] ? "unknown_service:%s" : "unknown_service", program);
    add(&row, kis_attr_text("service.name", service));
    add(&row, kis_attr_str("service.instance.id", kis_str_of(instance_id, 36)));
    add(&row, kis_attr_text("telemetry.sdk.name", "kiseki"));
    add(&row, kis_attr_text("telemetry.sdk.language", "c"));
    add(&row, kis_attr_text("telemetry.sdk.version", KIS_VERSION));
    add(&row, kis_attr_int("process.pid", getpid()));
    if (program[0])
        add(&row, kis_attr_text("process.executable.name", program));
    if (host_name[0])
        add(&row, kis_attr_text("host.name", host_name));
    add_environment(&row, room_for_environment(&row, given), host, arena);
    if (env_service && *env_service)
        add(&row, kis_attr_text("service.name", env_service));
    for (size_t i = 0; given && i < given->resource.count; i++)
        add(&row, given->resource.at[i]);
    if (given && given->service_name.len)
        add(&row, kis_attr_str("service.name", given->service_name));
    if (row.is_full)
        return kis_diag_set(diag, KIS_ERR_LIMIT, "more than %d resource attributes",
                            KIS_RESOURCE_ATTRS_MAX);
    *out_count = row.count;
    return KIS_OK;
}
