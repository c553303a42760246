/* host.h - the world of the recorder: all that the SDK's core asks of the platform it runs on.
 *
 * libkiseki brings one for Linux; the browser's and the tests' fill in the same table. Programs
 * need this header only to run the SDK where there is no operating system, or under a clock of
 * their own: kis_sdk_options.host.
 *
 * Every function gets `user`. Those marked "any thread" must be safe to call at once.
 * None may call back into the SDK.
 */
#ifndef KISEKI_HOST_H
#define KISEKI_HOST_H

#include <kiseki/alloc.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum kis_log_level {
    KIS_LOG_ERROR,
    KIS_LOG_WARN,
    KIS_LOG_INFO,
    KIS_LOG_DEBUG
} kis_log_level;

typedef struct kis_host {
    void *user;
    /** The monotonic clock; any thread. Twice for each span: let it be quick. */
    uint64_t (*now_ns)(void *user);
    /** The wall clock, nanoseconds since 1970; any thread.
     * Asked at start and then now and again. */
    uint64_t (*now_unix_ns)(void *user);
    /** Unpredictable bytes; any thread. Asked once for each thread that records. */
    void (*random)(void *user, void *to, size_t size);
    /** Memory; any thread. */
    const kis_alloc *alloc;
    /** There is something to do: kis_batcher_step wants to be called soon. Any thread;
     * NULL where the caller ticks. */
    void (*wake)(void *user);
    /** This thread records for the first time: arrange that kis_recorder_thread_done() is called on
     * it when it ends. NULL: threads never end. */
    void (*thread_began)(void *user);
    /** Gives the processor away: somebody else holds a span this very moment. NULL: spin. */
    void (*yield)(void *user);
    /** A line for the program's owner, no line end; any thread; NULL: nobody reads. */
    void (*log)(void *user, kis_log_level level, const char *text);
    /** A variable of the environment, or NULL. */
    const char *(*getenv)(void *user, const char *name);
} kis_host;

/** The calling thread ends and records no more: what it holds goes to the next thread that begins.
 * For hosts that fill in thread_began. */
KIS_API void kis_recorder_thread_done(void);

#ifdef __cplusplus
}
#endif
#endif
