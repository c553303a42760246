/* host_native.c - the recorder's world on Linux: clock, random bytes, memory, the worker that
 * drives the batcher; fork and exit.
 *
 *     a span ends ── wake ──> worker: step, sleep until the next, step, ...    blocks every signal
 *
 * The worker is started by the first wake: a process that forks before it
 * traces pays for no thread.
 *
 * fork: the parent's locks are taken before and given back after, so that the child finds them
 * free. In the child there is no worker, the sinks are the parent's (net has closed their sockets,
 * and nobody touches the rest of them), and so are all spans: handles of them do nothing (a new
 * epoch), their contexts are still parents. Records, slots, ids, process.pid and
 * service.instance.id are new. The first span that ends in the child starts a worker, and the
 * first step with something to send, whoever drives, opens sinks. Nothing recorded before the
 * fork is sent by the child.
 * An SDK that another thread is starting or stopping at that moment is not there in the child,
 * and nobody has its place.
 *
 * exit: every SDK that still runs is stopped, within its `exit_flush_ms`.
 * Not on _exit, not on a fatal signal.
 */
#include "native/native.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/fmt.h"
#include "os/fd.h"
#include "os/mem.h"
#include "os/os.h"

static kis_native natives[KIS_SDKS_MAX];
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER; /* guards is_taken */
static bool is_taken[KIS_SDKS_MAX];

/* ---- host ---- */

static uint64_t host_now_ns(void *user)
{
    (void)user;
    return kis_now_ns();
}
static uint64_t host_now_unix_ns(void *user)
{
    (void)user;
    return kis_now_unix_ns();
}
static void host_random(void *user, void *to, size_t size)
{
    (void)user;
    kis_random_bytes(to, size);
}
static void host_yield(void *user)
{
    (void)user;
    sched_yield();
}
static const char *host_getenv(void *user, const char *name)
{
    (void)user;
    return getenv(name);
}

static pthread_key_t thread_key;
static pthread_once_t thread_key_once = PTHREAD_ONCE_INIT;
static bool has_thread_key;

static void thread_ends(void *unused)
{
    (void)unused;
    kis_recorder_thread_done();
}
static void make_thread_key(void)
{
    has_thread_key = pthread_key_create(&thread_key, thread_ends) == 0;
}

static void host_thread_began(void *user)
{
    (void)user;
    pthread_once(&thread_key_once, make_thread_key);
    if (has_thread_key)
        pthread_setspecific(thread_key, &natives); /* any value but NULL: the destructor runs */
}

static void host_log(void *user, kis_log_level level, const char *text)
{
    kis_native_say(user, level, text);
}

void kis_native_say(kis_native *native, kis_log_level level, const char *text)
{
    char line[700];
    size_t len;

    if (native->is_given_up) /* on_log is the program's, and its stop is over */
        return;
    if (native->options.on_log) {
        native->options.on_log(native->options.log_user, level, text);
        return;
    }
    if (native->options.is_quiet || level > KIS_LOG_WARN)
        return;
    len = kis_fmt(line, sizeof(line) - 1, "kiseki: %s", text);
    line[len] = '\n';
    /* nobody reads: nobody to tell */
    (void)kis_fd_write_some(STDERR_FILENO, kis_bytes_of(line, len + 1));
}

/* ---- the worker ---- */

static void work(void *user)
{
    kis_native *native = user;

    kis_lock_take(&native->lock);
    while (!native->wants_end) {
        uint64_t next;
        native->is_woken = false;
        kis_lock_give(&native->lock);
        next = kis_batcher_step(&native->sdk->batcher, kis_now_ns());
        kis_lock_take(&native->lock);
        kis_cond_broadcast(&native->changed);
        while (!native->is_woken && !native->wants_end && kis_now_ns() < next)
            kis_cond_wait_until(&native->changed, &native->lock, next);
    }
    native->worker = KIS_WORKER_ENDED;
    kis_cond_broadcast(&native->changed);
    kis_lock_give(&native->lock);
}

bool kis_native_start_worker(kis_native *native)
{
    kis_diag diag;

    if (native->worker != KIS_WORKER_NONE || native->options.drive != KIS_DRIVE_THREAD ||
        !native->is_live)
        return native->worker == KIS_WORKER_RUNS;
    if (kis_thread_start(&native->thread, "kiseki", work, native, &diag) != KIS_OK) {
        native->worker = KIS_WORKER_FAILED;
        kis_native_say(native, KIS_LOG_ERROR, diag.text);
        return false;
    }
    native->worker = KIS_WORKER_RUNS;
    return true;
}

static void host_wake(void *user)
{
    kis_native *native = user;

    kis_lock_take(&native->lock);
    native->is_woken = true;
    kis_native_start_worker(native);
    kis_cond_broadcast(&native->changed);
    kis_lock_give(&native->lock);
}

/* ---- the list ---- */

static kis_native *take_entry(void)
{
    kis_native *found = NULL;

    pthread_mutex_lock(&list_lock);
    for (size_t i = 0; i < KIS_SDKS_MAX && !found; i++)
        if (!is_taken[i]) {
            is_taken[i] = true;
            found = &natives[i];
            if (!found->lock._rank) {
                kis_lock_init(&found->lock, KIS_RANK_SDK);
                kis_cond_init(&found->changed);
            }
        }
    pthread_mutex_unlock(&list_lock);
    return found;
}

kis_native *kis_native_new(const kis_sdk_options *given, kis_diag *diag)
{
    kis_native *native = take_entry();
    const kis_host *inner = given ? given->host : NULL;

    if (!native) {
        kis_diag_set(diag, KIS_ERR_FULL, "%d SDKs run already", KIS_SDKS_MAX);
        return NULL;
    }
    pthread_mutex_lock(&list_lock); /* others look for their own */
    memset((uint8_t *)native + offsetof(kis_native, sdk), 0,
           sizeof(*native) - offsetof(kis_native, sdk));
    pthread_mutex_unlock(&list_lock);
    native->by = pthread_self();
    kis_arena_init(&native->texts, &kis_mem, 4 << 20);
    native->host =
        (kis_host){ native,    host_now_ns,       host_now_unix_ns, host_random, &kis_mem,
                    host_wake, host_thread_began, host_yield,       host_log,    host_getenv };
    if (inner) /* the program's own world, which it drives itself */
        native->host = *inner;
    if (given) {
        native->given = *given;
        native->options.on_log = given->on_log;
        native->options.log_user = given->log_user;
        native->options.is_quiet = given->is_quiet;
    }
    return native;
}

void kis_native_drop(kis_native *native)
{
    kis_native_own(native,
                   NULL); /* nobody comes any more; who is there looks at is_live, and goes */
    kis_native_is_by(kis_native_is_left, native, UINT64_MAX);
    kis_arena_done(&native->texts);
    pthread_mutex_lock(&list_lock);
    native->is_given_up = false;
    native->served++;
    is_taken[native - natives] = false;
    pthread_mutex_unlock(&list_lock);
}

/* list_lock is held. */
static kis_native *find_of(const kis_sdk *sdk)
{
    for (size_t i = 0; sdk && i < KIS_SDKS_MAX; i++)
        if (is_taken[i] && natives[i].sdk == sdk)
            return &natives[i];
    return NULL;
}

kis_native *kis_native_of(const kis_sdk *sdk)
{
    kis_native *found;

    pthread_mutex_lock(&list_lock);
    found = find_of(sdk);
    pthread_mutex_unlock(&list_lock);
    return found;
}

kis_native *kis_native_enter(const kis_sdk *sdk)
{
    kis_native *found;

    pthread_mutex_lock(&list_lock);
    found = find_of(sdk);
    if (found)
        found->users++;
    pthread_mutex_unlock(&list_lock);
    return found;
}

void kis_native_leave(kis_native *native)
{
    if (!native)
        return;
    pthread_mutex_lock(&list_lock);
    if (native->users) /* else we are a child that was forked in between */
        native->users--;
    pthread_mutex_unlock(&list_lock);
}

bool kis_native_is_left(void *user)
{
    const kis_native *native = user;
    bool is_left;

    pthread_mutex_lock(&list_lock);
    is_left = native->users == 0;
    pthread_mutex_unlock(&list_lock);
    return is_left;
}

void kis_native_own(kis_native *native, kis_sdk *sdk)
{
    pthread_mutex_lock(&list_lock);
    native->sdk = sdk;
    pthread_mutex_unlock(&list_lock);
}

kis_native *kis_native_at(size_t index)
{
    return index < KIS_SDKS_MAX ? &natives[index] : NULL;
}

/* ---- fork and exit ---- */

/* Whose locks the fork holds: all that were ever made, because somebody may be waking an SDK that
 * was stopped. Written and read under list_lock. By their mutexes, because locks of one rank may
 * not be held together otherwise; here the order is always the same. */
static bool is_held[KIS_SDKS_MAX];

static void before_fork(void)
{
    pthread_mutex_lock(&list_lock);
    for (size_t i = 0; i < KIS_SDKS_MAX; i++) {
        is_held[i] = natives[i].lock._rank != 0;
        if (is_held[i])
            pthread_mutex_lock(&natives[i].lock._mutex);
    }
    kis_recorder_before_fork();
    kis_mem_before_fork();
}

static void after_fork_in_parent(void)
{
    kis_mem_after_fork();
    kis_recorder_after_fork_in_parent();
    for (size_t i = KIS_SDKS_MAX; i-- > 0;)
        if (is_held[i])
            pthread_mutex_unlock(&natives[i].lock._mutex);
    pthread_mutex_unlock(&list_lock);
}

/* A new process.pid and service.instance.id; the rest of the resource as it was. */
static void renew_resource(kis_native *native)
{
    kis_attr attrs[2] = { kis_attr_int("process.pid", getpid()) };
    kis_str id = kis_attrs_text(native->sdk->resource.attrs, KIS_STR("service.instance.id"));
    bool is_ours = kis_str_eq(id, kis_str_of(native->instance_id, sizeof(native->instance_id)));

    kis_instance_id(native->instance_id);
    attrs[1] = kis_attr_str("service.instance.id",
                            kis_str_of(native->instance_id, sizeof(native->instance_id)));
    kis_sdk_renew_resource(native->sdk, (kis_attr_list){ attrs, is_ours ? 2 : 1 });
}

/* False: a thread that is not here was starting it, stopping it, or in an exporter of it after
 * a stop. */
static bool goes_on(const kis_native *native)
{
    bool is_running = native->is_live && !native->is_stopping && native->sdk->is_published;

    return !native->is_given_up && (is_running || pthread_equal(native->by, pthread_self()));
}

static void go_on(kis_native *native)
{
    native->worker = KIS_WORKER_NONE;
    native->thread = (kis_thread){ 0 };
    native->is_woken = false;
    native->sink_count = 0; /* the parent's are not ours to close */
    native->memory = NULL;
    native->user_sink = NULL;
    native->last_line_ns = 0;
    if (!native->sdk)
        return; /* not made yet */
    kis_sdk_after_fork(native->sdk);
    renew_resource(native);
}

static void forget(kis_native *native)
{
    if (native->is_given_up && !native->is_being_cleared) /* else somebody was writing them */
        kis_arena_done(&native->texts);
    native->sdk = NULL;
    native->is_live = native->is_given_up = native->is_being_cleared = false;
    native->served++;
    is_taken[native - natives] = false;
}

static void after_fork_in_child(void)
{
    kis_mem_after_fork();
    kis_recorder_after_fork();
    for (size_t i = KIS_SDKS_MAX; i-- > 0;) {
        kis_native *native = &natives[i];
        if (!is_held[i])
            continue;
        pthread_mutex_unlock(&native->lock._mutex);
        /* threads of the parent may have waited for both; here nobody does */
        kis_lock_init(&native->lock, KIS_RANK_SDK);
        kis_cond_init(&native->changed);
        native->users = 0;
        if (is_taken[i] && goes_on(native))
            go_on(native);
        else
            forget(native);
    }
    for (uint32_t i = 0; i < KIS_SDKS_MAX; i++) {
        kis_sdk *sdk = kis_sdk_entry(i);
        if (sdk && !find_of(sdk))
            kis_sdk_forget(sdk);
    }
    pthread_mutex_unlock(&list_lock);
}

static void at_exit(void)
{
    for (size_t i = 0; i < KIS_SDKS_MAX; i++) {
        if (natives[i].is_live)
            kis_sdk_stop(natives[i].sdk, natives[i].options.exit_flush_ms);
        kis_native_clear(&natives[i]);
    }
}

static void install_hooks(void)
{
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    atexit(at_exit);
}

void kis_native_hooks(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, install_hooks);
}
