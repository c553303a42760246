/* slot.c - the slow sides of a slot: who comes second, larger blocks, views. The picture is in slot.h. */
#include "sdk/slot.h"

#include "sdk/sdk.h"

bool kis_slot_enter_slow(kis_slot *slot, uint32_t generation, uint32_t states)
{
    for (uint32_t tries = 0;; tries++) {
        uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
        if (word >> 32 != generation || !((uint32_t)word & states))
            return false;
        if (((uint32_t)word & KIS_SLOT_ENDING) && !(states & KIS_SLOT_ENDED) &&
            kis_slot_ending_here() != slot)
            return false;
        if (!(word & KIS_SLOT_BUSY) &&
            atomic_compare_exchange_strong_explicit(&slot->word, &word, word | KIS_SLOT_BUSY,
                                                    memory_order_acquire, memory_order_relaxed))
            return true;
        if (tries % 64 == 63 && slot->sdk->host.yield)
            slot->sdk->host.yield(slot->sdk->host.user);
    }
}

/* An attribute takes KIS_SHORT_ATTR_MIN bytes at least, so up to short_end there cannot be more of them than the limit says: the short way need not count. */
void kis_slot_limit_short(kis_slot *slot)
{
    uint32_t limit = slot->home->sdk->limits.attr_count, count = slot->view.attr_count;
    size_t room = (size_t)(slot->end - slot->at);

    slot->short_end = slot->block; /* before any attribute: none */
    if (count < limit && room >= KIS_SHORT_ATTR_MAX)
        slot->short_end = slot->at + KIS_MIN(room - KIS_SHORT_ATTR_MAX,
                                             (size_t)(limit - count - 1) * KIS_SHORT_ATTR_MIN);
}

/* Moves what is there together over the holes; name and message are pointed at their new places. */
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
            slot->view.name.ptr -= from - to;
        if (field.tag == KIS_SLOT_MESSAGE)
            slot->view.status_message.ptr -= from - to;
        memmove(to, from, size);
        to += size;
    }
    slot->at = to;
    slot->hole_bytes = 0;
    kis_slot_limit_short(
        slot); /* the fields behind stand nearer to the front than they were counted */
}

static size_t block_size(const kis_slot *slot)
{
    return (size_t)(slot->end - slot->block);
}

static void give_block_back(kis_slot *slot)
{
    kis_sdk *sdk = slot->home->sdk;

    if (slot->block != slot->first_block) {
        atomic_fetch_sub_explicit(&sdk->block_bytes, block_size(slot), memory_order_relaxed);
        sdk->alloc.give_back(sdk->alloc.user, slot->block, block_size(slot));
    }
}

static const char *moved(const char *text, const uint8_t *from, const uint8_t *to)
{
    return text ? text + ((const char *)to - (const char *)from) : NULL;
}

uint8_t *kis_slot_grow(kis_slot *slot, size_t size)
{
    kis_sdk *sdk = slot->home->sdk;
    size_t len, cap = KIS_SLOT_BYTES;
    uint8_t *block;

    if (slot->hole_bytes >= (size_t)(slot->at - slot->block) / 4) {
        close_holes(slot);
        if (size <= (size_t)(slot->end - slot->at))
            return slot->at;
    }
    len = (size_t)(slot->at - slot->block);
    if (len + size > KIS_SLOT_BLOCK_MAX)
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
    slot->view.name.ptr = moved(slot->view.name.ptr, slot->block, block);
    slot->view.status_message.ptr = moved(slot->view.status_message.ptr, slot->block, block);
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
    give_block_back(slot);
    slot->block = slot->first_block;
    slot->end = slot->first_block + KIS_SLOT_FIRST_BLOCK;
}

/* The message can be copied as it stands when nothing of the view is missing in it. */
static bool is_whole(const kis_slot *slot)
{
    const kis_span_view *v = &slot->view;

    return !slot->has_old_name &&
           !(slot->hole_bytes | v->dropped_attrs | v->dropped_events | v->dropped_links) &&
           !v->trace_state.len && !v->status_message.len;
}

void kis_slot_finish(kis_slot *slot, uint64_t end_unix_ns)
{
    kis_span_view *v = &slot->view;
    kis_bytes fields = { slot->block + slot->attrs_at,
                         (size_t)(slot->at - slot->block) - slot->attrs_at };

    v->end_unix_ns = end_unix_ns;
    memcpy(slot->block + KIS_SLOT_HEAD_END, &end_unix_ns, 8);
    v->attrs =
        (kis_attrs){ fields.ptr, v->attr_count ? (uint32_t)fields.len : 0, KIS_TAG_SPAN_ATTRS };
    v->events = v->event_count ? fields : KIS_BYTES_NONE;
    v->links = v->link_count ? fields : KIS_BYTES_NONE;
    if (KIS_UNLIKELY(slot->bag))
        v->trace_state = kis_bag_trace_state(slot->bag);
    v->bytes = KIS_BYTES_NONE;
    if (KIS_LIKELY(is_whole(slot))) {
        uint8_t *from =
            slot->block + (kis_span_id_is_valid(&v->parent_id) ? 0 : KIS_SLOT_HEAD_ROOT);
        if (KIS_UNLIKELY(
                v->status)) { /* Status with its code alone; the stretches above end before it */
            uint8_t status[4] = { 0x7a, 2, 0x18, v->status };
            if (slot->end - slot->at < 4)
                return;
            memcpy(slot->at, status, 4);
            slot->at += 4;
        }
        v->bytes = kis_bytes_of(from, (size_t)(slot->at - from));
    }
}
