/* native.h - an SDK on Linux: its host, its worker, its sinks. Inside of src/native.
 *
 *     kis_sdk_start ── options (sdk/options) ── resource (resource_detect) ── kis_sdk_open
 *                   ── sinks (exporters) ── kis_sdk_publish
 *     worker thread ── kis_batcher_step, as often as it asks; started with the first span that ends
 *     fork, exit    ── host_native.c
 *     a stop that somebody does not let end ── sdk_start.c
 */
#ifndef KIS_NATIVE_NATIVE_H
#define KIS_NATIVE_NATIVE_H

#include <pthread.h>
#include <stdatomic.h>

#include "os/thread.h"
#include "sdk/options.h"
#include "send/send.h"

typedef enum kis_worker_state {
    KIS_WORKER_NONE,
    KIS_WORKER_RUNS,
    KIS_WORKER_ENDED,
    KIS_WORKER_FAILED
} kis_worker_state;

typedef struct kis_native {
    /* Made once for the entry and never undone: a thread may be in the middle of
     * waking when its SDK is stopped. */
    kis_lock lock;            /* guards worker and what follows it */
    kis_cond changed;         /* the worker went a step, was woken, or ended; a flush moved on */
    _Atomic bool is_given_up; /* the stop is over, but somebody is still inside: see sdk_start.c */
    _Atomic bool is_being_cleared; /* by one thread at a time */
    uint32_t users; /* calls of the program that are in it; guarded by the list's lock */
    /* how many SDKs it has had: another number, and the one that was in it is no more */
    _Atomic uint32_t served;

    kis_sdk *sdk; /* from here on zeroed for each SDK; written with the list's lock */
    kis_host host;
    kis_sdk_options options; /* resolved; its texts lie in `texts` */
    kis_sdk_options given;   /* what the code says; texts: only whether they are there */
    kis_arena texts;
    kis_sampler samplers[2];
    const kis_propagator *propagators[KIS_PROPAGATORS_MAX];
    size_t propagator_count;
    char instance_id[36]; /* service.instance.id, unless the program gave another */

    pthread_t by; /* the thread that starts it, or stops it; a fork asks */
    kis_thread thread;
    kis_worker_state worker;
    bool is_woken, wants_end;
    _Atomic bool is_live; /* between start and stop; written with the lock */
    bool is_child;        /* of a fork: warnings were said in the parent */
    bool is_stopping;     /* a stop has begun */
    bool has_step;        /* the batcher's step is ours for good: nobody takes spans out any more */

    kis_sink *sinks[KIS_SINKS_MAX]; /* open; the batcher borrows them */
    uint32_t sink_count;
    uint32_t left_out;             /* bits by kind of exporter: the environment says it wrong */
    kis_sink *memory;              /* one of them: exporter "memory", or NULL */
    kis_sink *_Atomic user_sink;   /* another, which is asked before it is closed */
    _Atomic uint64_t last_line_ns; /* when the last line about failures was written */
    _Atomic uint32_t quiet_lines;  /* failures not said since */
} kis_native;

/* host_native.c */

/* an entry of the static list, its host made; NULL: all are taken */
kis_native *kis_native_new(const kis_sdk_options *given, kis_diag *diag);
/** It is free again, once calls have left that found nothing to do. */
void kis_native_drop(kis_native *native);
kis_native *kis_native_of(const kis_sdk *sdk); /* NULL: not one of ours */
/** The same, and it stays until it is left: a stop waits for it. */
kis_native *kis_native_enter(const kis_sdk *sdk);
void kis_native_leave(kis_native *native);             /* fine with NULL */
bool kis_native_is_left(void *native);                 /* a question for kis_native_is_by */
void kis_native_own(kis_native *native, kis_sdk *sdk); /* NULL: nobody finds it any more */
kis_native *kis_native_at(size_t index); /* of the list, whatever its state; NULL behind the last */
void kis_native_say(kis_native *native, kis_log_level level, const char *text);
void kis_native_hooks(void);                      /* fork and exit; once for the process */
bool kis_native_start_worker(kis_native *native); /* lock held */

/* sdk_start.c */

/* given up, and now nobody is inside: free for the next. False: not yet, or not given up */
bool kis_native_clear(kis_native *native);

/* exporters.c */

/** Before the sinks are opened: what OTEL_EXPORTER_OTLP[_TRACES]_HEADERS say wrong is told and
 * taken out of the options, so that it stops nobody, here or in a forked child. NOMEM. */
kis_err kis_native_check_headers(kis_native *native, const kis_sdk_options *given,
                                 kis_diag *diag) KIS_CHECKED;
/** An exporter that cannot be made because of a variable is said and left out; then `diag` has the
 * words, and KIS_OK. */
kis_err kis_native_open_sinks(kis_native *native, kis_diag *diag) KIS_CHECKED;
/** The same in a forked child; says what goes wrong. */
void kis_native_open_child_sinks(void *native);
/**
 * False: the program's exporter does not come back or does not answer, or a thread of the program
 * is still in one of the sinks. The program's was given up then, and what is not closed is closed
 * by a later call. `ours_ns` is when to stop waiting for threads that need nothing but the
 * processor.
 */
bool kis_native_close_sinks(kis_native *native, uint64_t deadline_ns, uint64_t ours_ns);
/** Looks every millisecond whether it holds. False: not by then. */
bool kis_native_is_by(bool (*holds)(void *what), void *what, uint64_t deadline_ns);
bool kis_native_has_exporter(const kis_native *native);

/* resource_detect.c */

/* a random UUID, RFC 9562 version 4: tells two processes of one service apart */
void kis_instance_id(char out[36]);
#define KIS_RESOURCE_ATTRS_MAX 256
/** Everything known about this process, in `attrs`, texts in `arena`; answers how many. LIMIT: too
 * many in the code; NOMEM. OTEL_RESOURCE_ATTRIBUTES malformed, or too many: a warning. */
kis_err kis_resource_detect(const kis_sdk_options *given, const kis_host *host,
                            const char instance_id[36], kis_arena *arena,
                            kis_attr attrs[KIS_RESOURCE_ATTRS_MAX], size_t *out_count,
                            kis_diag *diag) KIS_CHECKED;

#endif
