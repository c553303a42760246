/* load_make.c - see load_make.h.
 *
 *     script ─> protobuf with placeholders ─(JSON: decode, encode)─> body ─> scan ─> patches
 *
 * Finding the placeholders by one scan afterwards serves both encodings and keeps the making
 * simple; giving out a request is then one copy and a few stores a span.
 *
 * Not here: what the spans are (load_script.c).
 */
#include "load_make.h"

#include "load_random.h"
#include "load_script.h"

#include "base/diag.h"
#include "base/num.h"
#include "base/vec.h"
#include "wire/otlp.h"

#define BODY_BYTES_MAX ((size_t)256 << 20)

kis_trace_id kis_load_trace_id(uint64_t seed, uint32_t trace)
{
    kis_trace_id id;
    uint64_t halves[2] = { kis_load_mix_words(seed, (uint64_t)trace * 2 + 1) | 1,
                           kis_load_mix_words(seed, (uint64_t)trace * 2 + 2) };
    memcpy(id.bytes, halves, 16);
    return id;
}

kis_span_id kis_load_span_id(uint64_t seed, uint32_t span)
{
    kis_span_id id;
    uint64_t word = kis_load_mix_words(seed ^ 0xa5a5a5a5a5a5a5a5u, span) | 1;
    memcpy(id.bytes, &word, 8);
    return id;
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

    if (left >= 16 && memcmp(at, KIS_LOAD_TRACE_MAGIC, 12) == 0) {
        *out = (kis_load_patch){ .kind = KIS_PATCH_TRACE, .number = big_endian(at + 12) };
        return 16;
    }
    if (left >= 8 && memcmp(at, KIS_LOAD_SPAN_MAGIC, 4) == 0) {
        *out = (kis_load_patch){ .kind = KIS_PATCH_SPAN, .number = big_endian(at + 4) };
        return 8;
    }
    if (left < 8)
        return 0;
    memcpy(&word, at, 8);
    if (word - KIS_LOAD_TIME_BASE >= KIS_LOAD_TIME_NUMBERS)
        return 0;
    *out =
        (kis_load_patch){ .kind = KIS_PATCH_TIME, .number = (uint32_t)(word - KIS_LOAD_TIME_BASE) };
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
        *out = (kis_load_patch){ .kind = KIS_PATCH_TIME,
                                 .number = (uint32_t)(time - KIS_LOAD_TIME_BASE) };
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
    if (len < KIS_LOAD_TEXT_RUN_MIN) /* a length or a number that happens to be that byte */
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

static kis_err keep_script(kis_load_template *t, const kis_load_script *script,
                           const kis_alloc *alloc)
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
    kis_load_script script = { .count = mix->spans_per_request,
                               .random = kis_load_mix_words(mix->seed, seed) | 1,
                               .services = mix->services };
    patch_list patches = { 0 };
    kis_buf body;

    script.steps = take_array(alloc, script.count, sizeof(kis_load_step));
    if (!script.steps)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for %u spans", script.count);
    kis_load_script_write(&script);
    kis_buf_init(&body, alloc, BODY_BYTES_MAX);
    kis_load_script_put(&script, mix->is_harsh, &body);
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
    give_array(alloc, script.steps, script.count, sizeof(kis_load_step));
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
        uint64_t bits = kis_load_next_random(random);
        for (int k = 0; k < 16 && i < len; k++, bits >>= 4)
            to[i++] = (uint8_t) "0123456789abcdef"[bits & 15];
    }
}

static void write_decimal(uint8_t *to, uint32_t len, uint64_t *random)
{
    uint64_t bits = kis_load_next_random(random) >> 1;

    /* the first digit is never 0: addresses and numbers look like some */
    for (uint32_t i = 0; i < len; i++, bits /= 10)
        to[i] = (uint8_t)('0' + (i ? bits % 10 : 1 + bits % 9));
}

/* Times go up to 1/8 beyond the script's, by the request's own randomness: a span's end jitters,
 * its start does not. */
static uint64_t time_of(const kis_load_template *t, uint32_t number, uint64_t seed,
                        uint64_t begin_unix_ns)
{
    uint64_t us = t->time_offsets_us[number];
    uint64_t jitter_ns = kis_load_mix_words(seed, 0x77777777u + number) % 1000;

    if (number & 1)
        jitter_ns += (kis_load_mix_words(seed, number) & 0xffff) *
                     (us - t->time_offsets_us[number - 1]) * 1000 / (8 * 65536);
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
    uint64_t random = kis_load_mix_words(seed, 0x5eed) | 1;

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
