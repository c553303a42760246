/* slot.c - the slow sides of a slot: who comes second, larger blocks, views.
 * The picture is in slot.h. */
#include "sdk/slot.h"

#include "sdk/sdk.h"

__attribute__((noinline)) void kis_slot_pause(const kis_slot *slot, uint32_t tries)
{
    if (tries % 64 == 63)
        kis_sdk_yield(slot->sdk);
}

bool kis_slot_enter_slow(kis_slot *slot, uint64_t handle, uint32_t states)
{
    if ((uint16_t)(handle >> 16) != kis_recorder_epoch)
        return false; /* a parent process's: the busy bit may be of a thread that we do not have */
    for (uint32_t tries = 0;; tries++) {
        uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
        if ((word ^ handle) & ~KIS_SLOT_STATES || !((uint32_t)word & states))
            return false;
        if (((uint32_t)word & KIS_SLOT_ENDING) && !(states & KIS_SLOT_ENDED) &&
            kis_slot_ending_here() != slot)
            return false;
        if (!(word & KIS_SLOT_BUSY) &&
            atomic_compare_exchange_strong_explicit(&slot->word, &word, word | KIS_SLOT_BUSY,
                                                    memory_order_acquire, memory_order_relaxed))
            return true;
        kis_slot_pause(slot, tries);
    }
}

/* An attribute takes KIS_SHORT_ATTR_MIN bytes at least, so up to short_end there cannot be more of
 * them than the limit says: the short way need not count. */
void kis_slot_limit_short(kis_slot *slot)
{
    uint32_t limit = slot->home->sdk->limits.attr_count, count = slot->tally.attr_count;
    size_t room = (size_t)(slot->end - slot->at);

    slot->short_end = slot->block; /* before any attribute: none */
    if (count < limit && room >= KIS_SHORT_ATTR_MAX)
        slot->short_end = slot->at + KIS_MIN(room - KIS_SHORT_ATTR_MAX,
                                             (size_t)(limit - count - 1) * KIS_SHORT_ATTR_MIN);
}

/* Moves what is there together over the holes; name and message are found at their new places. */
static void close_holes(kis_slot *slot)
{
    kis_cursor c = { slot->block + slot->attrs_at, slot->at };
    kis_pb_field field;
    uint8_t *to = slot->block + slot->attrs_at;

    for (const uint8_t *from = c.at; kis_pb_next(&c, &field) == KIS_OK; from = c.at) {
        size_t size = (size_t)(c.at - from);
        if (field.tag == KIS_SLOT_HOLE)
            continue;
        if (field.tag == KIS_SLOT_NAME)
            slot->name.at -= (uint32_t)(from - to);
        if (field.tag == KIS_SLOT_MESSAGE)
            slot->tally.message.at -= (uint32_t)(from - to);
        memmove(to, from, size);
        to += size;
    }
    slot->at = to;
    slot->tally.hole_bytes = 0;
    /* the fields behind stand nearer to the front than they were counted */
    kis_slot_limit_short(slot);
}

static size_t block_size(const kis_slot *slot)
{
    return (size_t)(slot->end - slot->block);
}

/* Memory of another life of the entry is neither charged nor given back: it may be another
 * allocator's. */
static bool is_abandoned(const kis_slot *slot)
{
    return atomic_load_explicit(&slot->home->is_abandoned, memory_order_relaxed);
}

static void give_block_back(kis_slot *slot)
{
    kis_sdk *sdk = slot->home->sdk;

    if (slot->block != slot->first_block) {
        atomic_fetch_sub_explicit(&sdk->block_bytes, block_size(slot), memory_order_relaxed);
        sdk->alloc.give_back(sdk->alloc.user, slot->block, block_size(slot));
    }
}

uint8_t *kis_slot_grow(kis_slot *slot, size_t size)
{
    kis_sdk *sdk = slot->home->sdk;
    size_t len, cap = KIS_SLOT_BYTES;
    uint8_t *block;

    if (slot->tally.hole_bytes >= (size_t)(slot->at - slot->block) / 4) {
        close_holes(slot);
        if (size <= (size_t)(slot->end - slot->at))
            return slot->at;
    }
    len = (size_t)(slot->at - slot->block);
    if (len + size > KIS_SLOT_BLOCK_MAX || is_abandoned(slot))
        return NULL;
    while (cap < len + size)
        cap *= 2;
    if (atomic_fetch_add_explicit(&sdk->block_bytes, cap, memory_order_relaxed) + cap >
        KIS_SDK_BLOCK_BYTES_MAX)
        goto refuse;
    block = sdk->alloc.take(sdk->alloc.user, cap);
    if (!block)
        goto refuse;
    memcpy(block, slot->block, len);
    give_block_back(slot);
    slot->block = block;
    slot->at = block + len;
    slot->end = block + cap;
    kis_slot_limit_short(slot);
    return slot->at;

refuse:
    atomic_fetch_sub_explicit(&sdk->block_bytes, cap, memory_order_relaxed);
    return NULL;
}

void kis_slot_shrink(kis_slot *slot)
{
    if (is_abandoned(slot))
        return;
    give_block_back(slot);
    slot->block = slot->first_block;
    slot->end = slot->first_block + KIS_SLOT_FIRST_BLOCK;
}

void kis_slot_make_head(kis_slot *slot)
{
    uint8_t *to = slot->first_block;

    memset(to, 0, KIS_SLOT_HEAD_BYTES);
    to[KIS_SLOT_AT_PARENT - 2] = KIS_PB_TAG(4, KIS_PB_BYTES), to[KIS_SLOT_AT_PARENT - 1] = 8;
    to[KIS_SLOT_AT_TRACE - 2] = KIS_PB_TAG(1, KIS_PB_BYTES), to[KIS_SLOT_AT_TRACE - 1] = 16;
    to[KIS_SLOT_AT_SPAN - 2] = KIS_PB_TAG(2, KIS_PB_BYTES), to[KIS_SLOT_AT_SPAN - 1] = 8;
    to[KIS_SLOT_AT_KIND - 1] = KIS_PB_TAG(6, KIS_PB_VARINT);
    to[KIS_SLOT_AT_START - 1] = KIS_PB_TAG(7, KIS_PB_FIX64);
    to[KIS_SLOT_AT_END - 1] = KIS_PB_TAG(8, KIS_PB_FIX64);
    to[KIS_SLOT_AT_FLAGS - 2] = 0x85, to[KIS_SLOT_AT_FLAGS - 1] = 1; /* 16, fixed 32 */
}

void kis_slot_put_status(kis_slot *slot)
{
    uint8_t field[4] = { KIS_PB_TAG(15, KIS_PB_BYTES), 2, KIS_PB_TAG(3, KIS_PB_VARINT),
                         slot->tally.status };

    slot->tally.is_patched |= slot->end - slot->at < (ptrdiff_t)sizeof(field);
    if (slot->tally.is_patched)
        return;
    memcpy(slot->at, field, sizeof(field));
    slot->at += sizeof(field);
}

/* The counts of a tally are those of a view, in its order. */
#define COUNTS_BYTES (offsetof(kis_slot_tally, hole_bytes) - offsetof(kis_slot_tally, attr_count))
_Static_assert(COUNTS_BYTES == offsetof(kis_span_view, kind) - offsetof(kis_span_view, attr_count),
               "copied in one piece");

/* What only a span has whose block cannot be copied. */
static void view_patches(const kis_slot *slot, kis_span_view *out)
{
    out->bytes = KIS_BYTES_NONE;
    if (slot->tally.message.at)
        out->status_message =
            kis_str_of((const char *)slot->block + slot->tally.message.at, slot->tally.message.len);
    if (slot->bag)
        out->trace_state = kis_bag_trace_state(slot->bag);
}

static inline void view_slot(const kis_slot *slot, kis_span_view *out)
{
    const kis_slot_tally *t = &slot->tally;
    const uint8_t *head = slot->block;
    /* every kind of field, perhaps the status too: who looks for one kind skips the others */
    kis_bytes fields = { head + slot->attrs_at, (size_t)(slot->at - head) - slot->attrs_at };

    memcpy(out->trace_id.bytes, head + KIS_SLOT_AT_TRACE, 16);
    memcpy(out->span_id.bytes, head + KIS_SLOT_AT_SPAN, 8);
    memcpy(out->parent_id.bytes, head + KIS_SLOT_AT_PARENT, 8);
    memcpy(&out->start_unix_ns, head + KIS_SLOT_AT_START, 8);
    memcpy(&out->end_unix_ns, head + KIS_SLOT_AT_END, 8);
    memcpy(&out->flags, head + KIS_SLOT_AT_FLAGS, 4);
    memcpy(&out->attr_count, &t->attr_count, COUNTS_BYTES);
    out->kind = head[KIS_SLOT_AT_KIND];
    out->status = t->status;
    out->name = kis_str_of((const char *)head + slot->name.at, slot->name.len);
    out->trace_state = out->status_message = KIS_STR_NONE;
    out->attrs = (kis_attrs){ fields.ptr, (uint32_t)fields.len, KIS_TAG_SPAN_ATTRS };
    out->events = out->links = KIS_BYTES_NONE;
    if (KIS_UNLIKELY(t->event_count | t->link_count)) {
        out->events = t->event_count ? fields : KIS_BYTES_NONE;
        out->links = t->link_count ? fields : KIS_BYTES_NONE;
    }
    head += kis_span_id_is_valid(&out->parent_id) ? 0 : KIS_SLOT_HEAD_ROOT;
    out->bytes = kis_bytes_of(head, (size_t)(slot->at - head));
    if (KIS_UNLIKELY(t->is_patched))
        view_patches(slot, out);
}

void kis_slots_view(kis_slot *const *slots, uint32_t count, kis_span_view *out)
{
    for (uint32_t i = 0; i < count; i++)
        view_slot(slots[i], &out[i]);
}

void kis_slot_view(const kis_slot *slot, kis_span_view *out)
{
    view_slot(slot, out);
}
