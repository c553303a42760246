/* store_fixture.h - a store on a folder of its own, and one-line questions to it.
 * For tests only. */
#ifndef KIS_STORE_FIXTURE_H
#define KIS_STORE_FIXTURE_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "model/test_spans.h"
#include "os/mem.h"
#include "os/thread.h"
#include "store/row.h"
#include "store/store.h"

typedef struct store_fixture {
    kis_store *store;
    kis_store_options options;
    char dir[128];
    kis_str tenant;
    uint64_t memory_bytes;
} store_fixture;

static inline void fixture_check(bool what, const char *why)
{
    if (!what) {
        fprintf(stderr, "store_fixture: %s\n", why);
        abort();
    }
}

static inline void fixture_start(store_fixture *f)
{
    kis_diag diag = { 0 };
    kis_err err = f->memory_bytes ? kis_store_open_memory(&kis_mem, f->options.os, f->memory_bytes,
                                                          &f->store, &diag)
                                  : kis_store_open(&f->options, &f->store, &diag);
    fixture_check(err == KIS_OK, diag.text);
}

static inline void fixture_open(store_fixture *f, const kis_store_options *options)
{
    *f = (store_fixture){ .options = options ? *options : (kis_store_options){ 0 } };
    const char *where = getenv("TMPDIR");
    snprintf(f->dir, sizeof f->dir, "%s/kiseki-store-XXXXXX", where ? where : "/tmp");
    fixture_check(mkdtemp(f->dir) != NULL, "no folder");
    if (!f->options.os)
        f->options.os = kis_os_real();
    f->options.alloc = &kis_mem;
    f->options.dir = kis_str_from_c(f->dir);
    if (!f->options.keep_bytes)
        f->options.keep_bytes = (uint64_t)4 << 30;
    fixture_start(f);
}

static inline void fixture_open_memory(store_fixture *f, uint64_t bytes)
{
    *f = (store_fixture){ .memory_bytes = bytes, .options = { .os = kis_os_real() } };
    fixture_start(f);
}

static inline void fixture_close(store_fixture *f)
{
    kis_store_close(f->store);
    f->store = NULL;
}

static inline void fixture_reopen(store_fixture *f)
{
    fixture_close(f);
    fixture_start(f);
}

typedef void fixture_file_fn(void *user, const char *path, const char *name);
static inline void fixture_each_file(const char *dir, fixture_file_fn *each, void *user)
{
    DIR *d = opendir(dir);
    char path[512];
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        each(user, path, e->d_name);
    }
    if (d)
        closedir(d);
}

static inline void fixture_unlink(void *user, const char *path, const char *name)
{
    (void)user, (void)name;
    unlink(path);
}

static inline void fixture_done(store_fixture *f)
{
    fixture_close(f);
    if (!f->dir[0])
        return;
    fixture_each_file(f->dir, fixture_unlink, NULL);
    rmdir(f->dir);
}

static inline void fixture_hash_file(void *user, const char *path, const char *name)
{
    uint8_t *bytes;
    struct stat st;
    int fd = open(path, O_RDONLY);
    fixture_check(fd >= 0 && fstat(fd, &st) == 0, "cannot open a file");
    bytes = malloc((size_t)st.st_size + 1);
    fixture_check(read(fd, bytes, (size_t)st.st_size) == st.st_size, "cannot read a file");
    close(fd);
    *(uint64_t *)user +=
        kis_hash(kis_bytes_of(bytes, (size_t)st.st_size), kis_hash_str(kis_str_from_c(name), 1));
    free(bytes);
}

static inline uint64_t fixture_folder_hash(store_fixture *f)
{
    uint64_t hash = 0;
    fixture_each_file(f->dir, fixture_hash_file, &hash);
    return hash;
}

static inline void fixture_add_size(void *user, const char *path, const char *name)
{
    struct stat st;
    (void)name;
    if (stat(path, &st) == 0)
        *(uint64_t *)user += (uint64_t)st.st_blocks * 512;
}

static inline uint64_t fixture_folder_bytes(store_fixture *f)
{
    uint64_t bytes = 0;
    fixture_each_file(f->dir, fixture_add_size, &bytes);
    return bytes;
}

static inline void fixture_write_file(store_fixture *f, const char *name, const void *bytes,
                                      size_t size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    fixture_check(fd >= 0 && write(fd, bytes, size) == (ssize_t)size, "cannot write a file");
    close(fd);
}

/* ---- pushing --------------------------------------------------------------------------------- */

typedef struct fixture_pushes {
    kis_lock lock;
    kis_cond changed;
    uint32_t wanted, answered, ok, full, other;
    uint64_t retry_after_ms;
    kis_err last;
} fixture_pushes;

static inline void fixture_answered(void *user, const kis_sink_result *result)
{
    fixture_pushes *p = user;
    kis_lock_take(&p->lock);
    p->answered++;
    p->ok += result->err == KIS_OK;
    p->full += result->err == KIS_ERR_FULL;
    p->other += result->err != KIS_OK && result->err != KIS_ERR_FULL;
    p->retry_after_ms = KIS_MAX(p->retry_after_ms, result->retry_after_ms);
    p->last = result->err;
    kis_cond_broadcast(&p->changed);
    kis_lock_give(&p->lock);
}

static inline void fixture_pushes_init(fixture_pushes *p, uint32_t wanted)
{
    *p = (fixture_pushes){ .wanted = wanted };
    kis_lock_init(&p->lock, KIS_RANK_LOG);
    kis_cond_init(&p->changed);
}

static inline void fixture_wait(fixture_pushes *p)
{
    kis_lock_take(&p->lock);
    while (p->answered < p->wanted)
        kis_cond_wait(&p->changed, &p->lock);
    kis_lock_give(&p->lock);
    kis_cond_done(&p->changed);
    kis_lock_done(&p->lock);
}

/* Takes the batch's reference. */
static inline kis_err fixture_push(store_fixture *f, kis_batch *batch)
{
    fixture_pushes p;
    fixture_pushes_init(&p, 1);
    batch->origin.tenant = f->tenant;
    kis_sink_push(kis_store_sink(f->store), batch, (kis_done){ fixture_answered, &p });
    kis_batch_unref(batch);
    fixture_wait(&p);
    return p.last;
}

static inline kis_batch *fixture_batch(uint64_t first_trace, uint32_t traces,
                                       uint32_t spans_per_trace)
{
    test_spans_spec spec = { .seed = 1 + first_trace,
                             .first_trace = first_trace,
                             .traces = traces,
                             .spans_per_trace = spans_per_trace,
                             .start_unix_ns = kis_now_unix_ns() / 3600000000000u * 3600000000000u +
                                              first_trace * 1000000,
                             .trace_step_ns = 1000000 };
    return test_spans_generate(&kis_mem, &spec);
}

static inline kis_err fixture_push_generated(store_fixture *f, uint64_t first_trace,
                                             uint32_t traces, uint32_t spans_per_trace)
{
    return fixture_push(f, fixture_batch(first_trace, traces, spans_per_trace));
}

static inline kis_err fixture_push_key(store_fixture *f, uint64_t trace, const char *key)
{
    kis_batch *batch = fixture_batch(trace, 1, 1);
    batch->origin.idempotency_key = kis_str_from_c(key);
    return fixture_push(f, batch);
}

static inline void fixture_push_many(store_fixture *f, fixture_pushes *p, uint32_t count)
{
    fixture_pushes_init(p, count);
    for (uint32_t i = 0; i < count; i++) {
        kis_batch *batch = fixture_batch(1 + i * 10, 10, 5);
        batch->origin.tenant = f->tenant;
        kis_sink_push(kis_store_sink(f->store), batch, (kis_done){ fixture_answered, p });
        kis_batch_unref(batch);
    }
}

/* ---- asking ---------------------------------------------------------------------------------- */

typedef struct fixture_answer {
    uint32_t count;
    uint64_t hash; /* over everything that came, in its order */
    uint64_t last;
    bool is_ordered, is_partial;
    kis_err err;
    kis_token end;
} fixture_answer;

static inline uint64_t fixture_span_hash(const kis_found_span *found)
{
    size_t size = kis_row_size(found->span);
    uint8_t *bytes = malloc(size);
    kis_row_encode(found->span, bytes);
    uint64_t hash = kis_hash(kis_bytes_of(bytes, size), 1);
    free(bytes);
    hash ^= kis_hash(kis_bytes_of(found->resource->attrs.ptr, found->resource->attrs.len), 2);
    hash ^= kis_hash_str(found->resource->service_name, 3) ^
            kis_hash_str(found->resource->schema_url, 4);
    hash ^= kis_hash_str(found->scope->name, 5) ^ kis_hash_str(found->scope->version, 6) ^
            kis_hash_str(found->scope->schema_url, 7);
    return hash ^ kis_hash(kis_bytes_of(found->scope->attrs.ptr, found->scope->attrs.len), 8);
}

static inline bool fixture_take_span(void *user, const kis_found_span *found)
{
    fixture_answer *a = user;
    a->is_ordered &= a->count == 0 || found->span->start_unix_ns >= a->last;
    a->last = found->span->start_unix_ns;
    a->hash = kis_hash_u64(a->hash ^ fixture_span_hash(found));
    a->count++;
    return true;
}

static inline fixture_answer fixture_get_id(store_fixture *f, const kis_trace_id *id)
{
    fixture_answer a = { .is_ordered = true };
    kis_reader *reader = kis_store_reader(f->store);
    kis_request request = { .tenant = f->tenant };
    kis_answer answer;
    a.err = reader->ops->get(reader, &request, id, fixture_take_span, &a, &answer, NULL);
    a.is_partial = answer.is_partial;
    return a;
}

static inline fixture_answer fixture_get(store_fixture *f, uint64_t trace)
{
    kis_trace_id id = test_trace_id(trace);
    return fixture_get_id(f, &id);
}

/* Traces 1 to `traces`, all their spans. */
static inline fixture_answer fixture_everything(store_fixture *f, uint64_t traces)
{
    fixture_answer all = { .is_ordered = true };
    for (uint64_t i = 1; i <= traces; i++) {
        fixture_answer one = fixture_get(f, i);
        all.count += one.count;
        all.hash = kis_hash_u64(all.hash ^ one.hash);
        all.is_ordered &= one.is_ordered;
        all.is_partial |= one.is_partial;
    }
    return all;
}

static inline bool fixture_take_found(void *user, const kis_found *found)
{
    fixture_answer *a = user;
    a->is_ordered &= a->count == 0 || found->newest_unix_ns <= a->last;
    a->last = found->newest_unix_ns;
    a->end = (kis_token){ found->newest_unix_ns, found->trace_id };
    a->hash = kis_hash_u64(a->hash ^ kis_trace_id_hash(&found->trace_id) ^ found->newest_unix_ns);
    a->count++;
    return true;
}

static inline fixture_answer fixture_find(store_fixture *f, const kis_filter *filter,
                                          uint32_t limit)
{
    fixture_answer a = { .is_ordered = true };
    kis_reader *reader = kis_store_reader(f->store);
    kis_find find = { .request = { .tenant = f->tenant }, .filter = filter, .limit = limit };
    kis_answer answer;
    a.err = reader->ops->find(reader, &find, fixture_take_found, &a, &answer, NULL);
    a.is_partial = answer.is_partial;
    return a;
}

static inline bool fixture_count_name(void *user, kis_str name, uint8_t kind)
{
    (void)name, (void)kind;
    ++*(int *)user;
    return true;
}

static inline int fixture_names(store_fixture *f, bool is_services, const char *service)
{
    int count = 0;
    kis_reader *reader = kis_store_reader(f->store);
    kis_request request = { .tenant = f->tenant };
    kis_answer answer;
    kis_err err = is_services ? reader->ops->services(reader, &request, fixture_count_name, &count,
                                                      &answer, NULL)
                              : reader->ops->operations(reader, &request, kis_str_from_c(service),
                                                        fixture_count_name, &count, &answer, NULL);
    return err ? -1 : count;
}

typedef struct fixture_summary {
    char text[256], services[256];
    kis_str root_service, root_name;
    uint64_t span_count, error_count, orphan_count, start, end;
} fixture_summary;

static inline bool fixture_take_summary(void *user, const kis_trace_summary *s)
{
    fixture_summary *out = user;
    size_t at = 0;
    memcpy(out->text, s->root_service.ptr, s->root_service.len);
    memcpy(out->text + 128, s->root_name.ptr, s->root_name.len);
    out->root_service.len = s->root_service.len;
    out->root_name.len = s->root_name.len;
    out->span_count = s->span_count;
    out->error_count = s->error_count;
    out->orphan_count = s->orphan_count;
    out->start = s->start_unix_ns;
    out->end = s->end_unix_ns;
    for (uint32_t i = 0; i < s->service_count; i++)
        at += (size_t)snprintf(out->services + at, sizeof out->services - at, "%s%.*s:%u:%u",
                               i ? " " : "", (int)s->services[i].name.len, s->services[i].name.ptr,
                               s->services[i].span_count, s->services[i].error_count);
    return true;
}

static inline fixture_summary fixture_summarize(store_fixture *f, uint64_t trace)
{
    static fixture_summary out;
    kis_trace_id id = test_trace_id(trace);
    kis_reader *reader = kis_store_reader(f->store);
    kis_request request = { .tenant = f->tenant };
    kis_answer answer;
    memset(&out, 0, sizeof out);
    out.root_service.ptr = out.text;
    out.root_name.ptr = out.text + 128;
    (void)reader->ops->summaries(reader, &request, &id, 1, fixture_take_summary, &out, &answer,
                                 NULL);
    return out;
}

#endif
