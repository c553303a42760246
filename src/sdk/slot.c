/* slot.c - the slow sides of a slot: who comes second, larger blocks, views. The picture is in slot.h. */
#include "sdk/slot.h"

#include "sdk/sdk.h"

bool kis_slot_enter_slow(kis_slot *slot, uint32_t generation, uint32_t states)
{
    for (uint32_t tries = 0;; tries++) {
        uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
        if (word >> 32 != generation || !((uint32_t)word & states))
            return false;
        if (((uint32_t)word & KIS_SLOT_ENDING) && !(states & KIS_SLOT_ENDED) && kis_slot_ending_here() != slot)
            return false;
        if (!(word & KIS_SLOT_BUSY) &&
            atomic_compare_exchange_strong_explicit(&slot->word, &word, word | KIS_SLOT_BUSY, memory_order_acquire, memory_order_relaxed))
            return true;
        if (tries % 64 == 63 && slot->sdk->host.yield)
            slot->sdk->host.yield(slot->sdk->host.user);
    }
}

/* Moves what is there together over the holes, and points name, message and index at the new places. */
static void close_holes(kis_slot *slot)
{
    kis_slot_key *keys = kis_slot_keys(slot);
    kis_cursor c = { slot->block, slot->block + slot->block_len };
    kis_pb_field field;
    uint8_t *to = slot->block;

    for (const uint8_t *at = c.at; kis_pb_next(&c, &field) == KIS_OK; at = c.at) {
        uint32_t from = (uint32_t)(at - slot->block), place = (uint32_t)(to - slot->block);
        size_t size = (size_t)(c.at - at);
        if (field.tag == KIS_SLOT_HOLE)
            continue;
        if (field.tag == KIS_TAG_SPAN_ATTRS)
            for (uint32_t i = 0; i < slot->key_count; i++)
                if (keys[-1 - (int32_t)i].at == from)
                    keys[-1 - (int32_t)i].at = place;
        if (field.tag == KIS_SLOT_NAME)
            slot->name_at -= from - place;
        if (field.tag == KIS_SLOT_MESSAGE)
            slot->message_at -= from - place;
        memmove(to, at, size);
        to += size;
    }
    slot->block_len = (uint32_t)(to - slot->block);
    slot->hole_bytes = slot->attrs_at = 0;
}

static void give_block_back(kis_slot *slot)
{
    kis_sdk *sdk = slot->home->sdk;

    if (slot->block != slot->first_block) {
        sdk->alloc.give_back(sdk->alloc.user, slot->block, slot->block_cap);
        atomic_fetch_sub_explicit(&sdk->block_bytes, slot->block_cap, memory_order_relaxed);
    }
}

uint8_t *kis_slot_grow(kis_slot *slot, size_t size, size_t keys)
{
    kis_sdk *sdk = slot->home->sdk;
    size_t index = slot->key_count * sizeof(kis_slot_key), wanted, cap = slot->block_cap;
    uint8_t *block;

    if (slot->hole_bytes >= slot->block_len / 4)
        close_holes(slot);
    wanted = slot->block_len + size + index + keys * sizeof(kis_slot_key);
    if (wanted <= cap)
        return slot->block + slot->block_len;
    if (wanted > KIS_SLOT_BLOCK_MAX)
        return NULL;
    cap = KIS_SLOT_BYTES;
    while (cap < wanted)
        cap *= 2;
    if (atomic_fetch_add_explicit(&sdk->block_bytes, cap, memory_order_relaxed) + cap > KIS_SDK_BLOCK_BYTES_MAX)
        goto refuse;
    block = sdk->alloc.take(sdk->alloc.user, cap);
    if (!block)
        goto refuse;
    memcpy(block, slot->block, slot->block_len);
    memcpy(block + cap - index, slot->block + slot->block_cap - index, index);
    give_block_back(slot);
    slot->block = block;
    slot->block_cap = (uint32_t)cap;
    return block + slot->block_len;

refuse:
    atomic_fetch_sub_explicit(&sdk->block_bytes, cap, memory_order_relaxed);
    return NULL;
}

void kis_slot_shrink(kis_slot *slot)
{
    give_block_back(slot);
    slot->block = slot->first_block;
    slot->block_cap = KIS_SLOT_FIRST_BLOCK;
}

void kis_slot_view(const kis_slot *slot, kis_span_view *out)
{
    kis_bytes fields = { slot->block + slot->attrs_at, slot->block_len - slot->attrs_at };

    out->trace_id = slot->trace_id;
    out->span_id = slot->span_id;
    out->parent_id = slot->parent_id;
    out->start_unix_ns = slot->start_unix_ns;
    out->end_unix_ns = slot->end_unix_ns;
    out->name = kis_str_of((const char *)slot->block + slot->name_at, slot->name_len);
    out->trace_state = slot->bag ? kis_bag_trace_state(slot->bag) : KIS_STR_NONE;
    out->status_message = slot->message_len ? kis_str_of((const char *)slot->block + slot->message_at, slot->message_len) : KIS_STR_NONE;
    out->attrs = (kis_attrs){ fields.ptr, slot->key_count ? (uint32_t)fields.len : 0, KIS_TAG_SPAN_ATTRS };
    out->events = slot->event_count ? fields : KIS_BYTES_NONE;
    out->links = slot->link_count ? fields : KIS_BYTES_NONE;
    out->flags = slot->flags | KIS_OTLP_FLAG_HAS_IS_REMOTE | (slot->is_parent_remote ? KIS_OTLP_FLAG_IS_REMOTE : 0);
    out->attr_count = slot->key_count;
    out->event_count = slot->event_count;
    out->link_count = slot->link_count;
    out->dropped_attrs = slot->dropped_attrs;
    out->dropped_events = slot->dropped_events;
    out->dropped_links = slot->dropped_links;
    out->kind = (uint8_t)(slot->kind + 1);
    out->status = slot->status;
    out->bytes = KIS_BYTES_NONE;
}
