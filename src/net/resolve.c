/* resolve.c - see resolve.h.
 *
 * A question has one of these owners, and moves under the lock:
 *
 *     QUEUED (here) ─> ASKED (the thread's) ─> POSTED (in the loop's queue: the post frees it)
 *                             └─> REFUSED (the loop has ended: cancel frees it)
 *
 * Cancelled while QUEUED it is freed at once; while ASKED or POSTED it is marked, and freed by its
 * owner.
 *
 * Always true: (1) the thread touches a loop only under the lock and only for a question that was
 * not cancelled, so a loop may be freed as soon as its questions were cancelled, (2) the thread
 * ends when nothing is queued; is_running is false from then on.
 *
 * In the child of a fork there is no thread, and the lock may be in any state: both are made anew
 * there. Memory comes from kis_mem, because questions are freed on either thread.
 */
#include "net/resolve.h"

#include <netdb.h>
#include <string.h>

#include "base/diag.h"
#include "base/num.h"
#include "os/mem.h"

typedef enum lookup_state {
    LOOKUP_QUEUED,
    LOOKUP_ASKED,
    LOOKUP_POSTED,
    LOOKUP_REFUSED
} lookup_state;

struct kis_lookup {
    kis_post post;
    kis_lookup *next;   /* in the queue */
    lookup_state state; /* guarded by the lock */
    bool is_cancelled;  /* guarded by the lock */
    kis_loop *loop;
    kis_lookup_done_fn *done;
    void *user;
    char host[KIS_LOOKUP_HOST_BYTES], service[KIS_NUM_TEXT_MAX];
    kis_address addresses[KIS_LOOKUP_ADDRESSES_MAX];
    kis_lookup_answer answer;
};

static struct {
    kis_lock lock;
    kis_lookup *first, **end; /* guarded by lock */
    uint32_t count;           /* guarded by lock */
    bool is_running;          /* guarded by lock */
} resolver;
static pthread_once_t resolver_once = PTHREAD_ONCE_INIT;

static void resolver_make(void)
{
    kis_lock_init(&resolver.lock, KIS_RANK_LOOP);
    resolver.first = NULL;
    resolver.end = &resolver.first;
    resolver.count = 0;
    resolver.is_running = false;
}

static void resolver_make_first(void)
{
    resolver_make();
    pthread_atfork(NULL, NULL, resolver_make);
}

static void lookup_free(kis_lookup *lookup)
{
    kis_mem.give_back(kis_mem.user, lookup, sizeof(*lookup));
}

/* ---- the thread ---- */

static void lookup_ask(kis_lookup *lookup)
{
    struct addrinfo hints = { .ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_STREAM },
                    *found = NULL;
    kis_lookup_answer *answer = &lookup->answer;
    int failed = getaddrinfo(lookup->host, lookup->service, &hints, &found);
    if (failed) {
        kis_diag_set(&answer->diag, failed == EAI_MEMORY ? KIS_ERR_NOMEM : KIS_ERR_IO, "%s",
                     failed == EAI_NONAME  ? "no such name"
                     : failed == EAI_AGAIN ? "the name server does not answer"
                                           : gai_strerror(failed));
        return;
    }
    for (const struct addrinfo *at = found; at && answer->count < KIS_LOOKUP_ADDRESSES_MAX;
         at = at->ai_next) {
        if (at->ai_family != AF_INET && at->ai_family != AF_INET6)
            continue;
        kis_address *address = &lookup->addresses[answer->count++];
        memset(address, 0, sizeof(*address));
        memcpy(&address->at, at->ai_addr, at->ai_addrlen);
        address->len = at->ai_addrlen;
    }
    freeaddrinfo(found);
    if (answer->count == 0)
        kis_diag_set(&answer->diag, KIS_ERR_IO, "the name has no address");
}

static void lookup_arrives(kis_post *post)
{
    kis_lookup *lookup = KIS_CONTAINER(post, kis_lookup, post);
    kis_lock_take(&resolver.lock);
    bool is_wanted = !lookup->is_cancelled;
    kis_lock_give(&resolver.lock);
    if (is_wanted)
        lookup->done(lookup->user, &lookup->answer);
    lookup_free(lookup);
}

/* Under the lock: the loop cannot go away. */
static void lookup_hand_over(kis_lookup *lookup)
{
    if (lookup->is_cancelled) {
        lookup_free(lookup);
        return;
    }
    lookup->state = LOOKUP_POSTED;
    if (!kis_loop_post(lookup->loop, &lookup->post))
        lookup->state = LOOKUP_REFUSED;
}

static void resolver_run(void *user)
{
    (void)user;
    kis_lock_take(&resolver.lock);
    while (resolver.first) {
        kis_lookup *lookup = resolver.first;
        resolver.first = lookup->next;
        if (!resolver.first)
            resolver.end = &resolver.first;
        resolver.count--;
        lookup->state = LOOKUP_ASKED;
        kis_lock_give(&resolver.lock);
        lookup_ask(lookup);
        kis_lock_take(&resolver.lock);
        lookup_hand_over(lookup);
    }
    resolver.is_running = false;
    kis_lock_give(&resolver.lock);
}

/* ---- the loop's side ---- */

/* Under the lock. */
static kis_err resolver_start_thread(kis_diag *diag)
{
    kis_thread thread = { 0 };
    if (resolver.is_running)
        return KIS_OK;
    kis_err err = kis_thread_start(&thread, "kiseki-names", resolver_run, NULL, diag);
    if (err)
        return err;
    pthread_detach(thread._thread); /* nobody waits for it: a name server may take half a minute */
    resolver.is_running = true;
    return KIS_OK;
}

static kis_err lookup_enqueue(kis_lookup *lookup, kis_diag *diag)
{
    kis_lock_take(&resolver.lock);
    kis_err err = resolver.count >= KIS_LOOKUPS_MAX
                      ? kis_diag_set(diag, KIS_ERR_FULL, "too many names are being looked up")
                      : resolver_start_thread(diag);
    if (!err) {
        *resolver.end = lookup;
        resolver.end = &lookup->next;
        resolver.count++;
    }
    kis_lock_give(&resolver.lock);
    return err;
}

kis_err kis_lookup_start(kis_loop *loop, kis_str host, uint16_t port, kis_lookup_done_fn *done,
                         void *user, kis_lookup **out, kis_diag *diag)
{
    pthread_once(&resolver_once, resolver_make_first);
    kis_lookup *lookup = kis_mem.take(kis_mem.user, sizeof(*lookup));
    if (!lookup)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "out of memory");
    memset(lookup, 0, sizeof(*lookup));
    lookup->post.run = lookup_arrives;
    lookup->loop = loop;
    lookup->done = done;
    lookup->user = user;
    lookup->answer.addresses = lookup->addresses;
    lookup->service[kis_u64_format(port, lookup->service)] = 0;
    kis_err err = kis_str_to_c(host, lookup->host, sizeof(lookup->host))
                      ? lookup_enqueue(lookup, diag)
                      : kis_diag_set(diag, KIS_ERR_IO, "no such name");
    if (err)
        lookup_free(lookup);
    else
        *out = lookup;
    return err;
}

static void lookup_unqueue(kis_lookup *lookup)
{
    kis_lookup **at = &resolver.first;
    while (*at != lookup)
        at = &(*at)->next;
    *at = lookup->next;
    if (resolver.end == &lookup->next)
        resolver.end = at;
    resolver.count--;
}

void kis_lookup_cancel(kis_lookup *lookup)
{
    kis_lock_take(&resolver.lock);
    bool is_ours = lookup->state == LOOKUP_QUEUED || lookup->state == LOOKUP_REFUSED;
    if (lookup->state == LOOKUP_QUEUED)
        lookup_unqueue(lookup);
    lookup->is_cancelled = true;
    kis_lock_give(&resolver.lock);
    if (is_ours)
        lookup_free(lookup);
}
