/* inside.c - who is in a call with an SDK, and how a stop knows that nobody is.
 *
 * An entry is filled anew for the next SDK while threads of the program go on recording. Until then
 * each of them must be out of every call with the one that was stopped. A thread is inside while
 *
 *     it holds the busy bit of a slot   starting, setting, ending a span: nearly always, and for
 *                                       free, because it takes the bit anyway
 *     it counts in `inside`             where it holds none: hooks run, contexts are changed,
 *                                       memory is taken, the batcher's driver is woken
 *     it counts in batcher.inside       it is on its way into a sink (kis_batcher_enter)
 *
 * and else outside. From one to the next it goes down this list, without a gap, and never up: who
 * takes a busy bit while it counts, goes on counting until it has let go of the bit.
 *
 *     a thread that starts a span                a thread that stops the SDK
 *
 *     recording is a life?                       recording = 0
 *     opens a slot, busy bit held                each slot: busy? open? then it ends, unsent
 *     recording is still that life?              inside is 0?
 *       no: slot back, nothing was read
 *
 * Both write before they look, and all of it has one order: so either the thread sees that its life
 * is over, or the stop sees the thread, and looks again later. Ending needs no look at `recording`:
 * whoever changes the word of the slot first, thread or stop, decides whether the span has ended or
 * was ended. So a span goes out through the SDK that it was started in, or not at all; and when all
 * slots were seen quiet, and then `inside`, nothing comes into the rings any more. In this order,
 * because threads go down the list: who went down behind our back is seen further below.
 *
 * Not here: the rest of a stop (native/sdk_start.c).
 */
#include "sdk/sdk.h"

void kis_sdk_enter(kis_sdk *sdk)
{
    kis_here_get()->inside[sdk->index]++;
    atomic_fetch_add_explicit(&sdk->inside, 1, memory_order_seq_cst);
}

void kis_sdk_leave(kis_sdk *sdk)
{
    kis_here_get()->inside[sdk->index]--;
    atomic_fetch_sub_explicit(&sdk->inside, 1, memory_order_release);
}

bool kis_sdk_is_entered_here(const kis_sdk *sdk)
{
    return kis_here_get()->inside[sdk->index] != 0;
}

bool kis_sdk_enter_recording(kis_sdk *sdk)
{
    kis_sdk_enter(sdk);
    if (atomic_load_explicit(&sdk->recording, memory_order_seq_cst))
        return true;
    kis_sdk_leave(sdk);
    return false;
}

kis_sdk *kis_sdk_enter_global(void)
{
    kis_sdk *sdk = kis_sdk_of_context();

    while (sdk) {
        kis_sdk *now;
        kis_sdk_enter(sdk);
        now = atomic_load_explicit(&kis_recorder_global, memory_order_seq_cst);
        if (now == sdk)
            break;
        kis_sdk_leave(sdk);
        sdk = now;
    }
    return sdk;
}

void kis_sdk_yield(kis_sdk *sdk)
{
    if (!kis_sdk_enter_recording(sdk))
        return;
    if (sdk->host.yield)
        sdk->host.yield(sdk->host.user);
    kis_sdk_leave(sdk);
}

/* False: somebody has it. */
static bool end_slot(kis_slot *slot)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_seq_cst);

    do {
        if (word & (KIS_SLOT_BUSY | KIS_SLOT_ENDING))
            return false;
        if (!(word & KIS_SLOT_OPEN))
            return true;
    } while (!atomic_compare_exchange_weak_explicit(&slot->word, &word, word | KIS_SLOT_BUSY,
                                                    memory_order_seq_cst, memory_order_seq_cst));
    kis_slot_release(slot, word, NULL);
    return true;
}

bool kis_sdk_has_ended(kis_sdk *sdk)
{
    const kis_slot_chunk *chunk;
    bool is_quiet = true;

    kis_sdk_lock(sdk);
    chunk = sdk->chunks; /* who adds one now finds the SDK halted before he has a span in it */
    kis_sdk_unlock(sdk);
    for (; chunk; chunk = chunk->next)
        for (uint32_t i = 0; i < KIS_SLOTS_AT_ONCE; i++)
            is_quiet &= end_slot(kis_slot_in(chunk, i));
    return is_quiet;
}

bool kis_sdk_is_left(kis_sdk *sdk)
{
    kis_sdk *expected = sdk;

    atomic_compare_exchange_strong_explicit(&kis_recorder_global, &expected, NULL,
                                            memory_order_seq_cst, memory_order_relaxed);
    return kis_sdk_has_ended(sdk) && atomic_load_explicit(&sdk->inside, memory_order_seq_cst) == 0;
}
