/* bag.c - trace state, baggage and values of contexts, in a bounded pool, with nothing to free.
 *
 * A context is a value that programs copy as they like, so nobody can say when its bag is needed no
 * more. Bags therefore have a generation, as slots have, and are used again in the order in which
 * they were made:
 *
 *     fill:  the next bag in the ring that nobody holds --> generation + 1, new content
 *     hold:  generation is still the context's? --> holders + 1 (every open span holds its bag
 *            until its slot is free again)
 *
 * So a bag outlives every span that has it, and a context that was merely kept loses its bag after
 * KIS_BAGS_MAX newer ones at the earliest.
 * A bag that is held never changes; its content is made new for every change.
 *
 * Baggage in a bag: for each member the lengths of name, value and metadata as 16-bit words, then
 * their bytes. Decoded, not as it travels.
 */
#include "sdk/bag.h"

#include "base/check.h"
#include "model/limits.h"

#define KIS_BAG_FILLING 0x80000000u
#define KIS_BAG_TEXT_MAX \
    (KIS_TRACE_STATE_BYTES_MAX + 2 * KIS_BAGGAGE_BYTES_MAX + 6 * KIS_BAGGAGE_MEMBERS_MAX)

void kis_bags_init(kis_bags *bags, const kis_alloc *alloc)
{
    memset(bags, 0, sizeof(*bags));
    bags->alloc = alloc;
}

void kis_bags_done(kis_bags *bags)
{
    for (uint32_t i = 0; i < bags->count; i++) {
        kis_bag *bag = bags->bags[i];
        bags->alloc->give_back(bags->alloc->user, bag->memory, bag->memory_size);
        bags->alloc->give_back(bags->alloc->user, bag, sizeof(*bag));
    }
    bags->count = 0;
}

void kis_bags_after_fork(kis_bags *bags)
{
    atomic_store_explicit(&bags->lock, 0, memory_order_relaxed);
    for (uint32_t i = 0; i < bags->count; i++) {
        uint64_t word = atomic_load_explicit(&bags->bags[i]->word, memory_order_relaxed);
        atomic_store_explicit(&bags->bags[i]->word, word & ~(uint64_t)UINT32_MAX,
                              memory_order_relaxed);
    }
}

bool kis_bag_hold(kis_bag *bag, uint32_t generation)
{
    uint64_t word = atomic_load_explicit(&bag->word, memory_order_relaxed);

    while (word >> 32 == generation && !(word & KIS_BAG_FILLING))
        if (atomic_compare_exchange_weak_explicit(&bag->word, &word, word + 1, memory_order_acquire,
                                                  memory_order_relaxed))
            return true;
    return false;
}

void kis_bag_drop(kis_bag *bag)
{
    atomic_fetch_sub_explicit(&bag->word, 1, memory_order_release);
}

/* A bag nobody holds, marked as being filled, with a new generation;
 * NULL: none, and no memory for a new one. */
static kis_bag *bag_for_filling(kis_bags *bags, uint32_t *generation)
{
    kis_bag *found = NULL;

    while (atomic_exchange_explicit(&bags->lock, 1, memory_order_acquire))
        while (atomic_load_explicit(&bags->lock, memory_order_relaxed))
            ;
    if (bags->count < KIS_BAGS_MAX) {
        kis_bag *bag = bags->alloc->take(bags->alloc->user, sizeof(*bag));
        if (bag) {
            memset(bag, 0, sizeof(*bag));
            atomic_store_explicit(&bag->word, (uint64_t)1 << 32 | KIS_BAG_FILLING,
                                  memory_order_relaxed);
            *generation = 1;
            bags->bags[bags->count++] = found = bag;
        }
    }
    for (uint32_t tries = 0; !found && tries < bags->count; tries++) {
        kis_bag *bag = bags->bags[bags->next];
        uint64_t word = atomic_load_explicit(&bag->word, memory_order_relaxed);
        uint64_t next = ((word >> 32) + 1) << 32 | KIS_BAG_FILLING;
        bags->next = (bags->next + 1) % bags->count;
        if ((uint32_t)word == 0 &&
            atomic_compare_exchange_strong_explicit(&bag->word, &word, next, memory_order_acquire,
                                                    memory_order_relaxed)) {
            *generation = (uint32_t)(next >> 32);
            found = bag;
        }
    }
    atomic_store_explicit(&bags->lock, 0, memory_order_release);
    return found;
}

/* The bag has the new memory before the old is given back: a fork in between leaves the child a bag
 * that points at something, not at what the allocator has. The child loses the old, once. */
static bool bag_reserve(kis_bags *bags, kis_bag *bag, uint32_t size)
{
    uint8_t *memory, *old = bag->memory;
    uint32_t old_size = bag->memory_size;

    if (size <= bag->memory_size)
        return true;
    size = (size + 255) & ~255u;
    memory = bags->alloc->take(bags->alloc->user, size);
    if (!memory)
        return false;
    bag->memory = memory;
    bag->memory_size = size;
    atomic_signal_fence(memory_order_seq_cst); /* the compiler keeps the order */
    bags->alloc->give_back(bags->alloc->user, old, old_size);
    return true;
}

bool kis_bags_fill(kis_bags *bags, const kis_bag_content *content, kis_context *context)
{
    uint32_t generation = 0;
    size_t size = content->trace_state.len + content->baggage.len;
    kis_bag *bag;
    bool is_filled;

    context->_bag = NULL;
    context->_bag_generation = 0;
    if (size == 0 && content->value_count == 0)
        return true;
    bag = size <= KIS_BAG_TEXT_MAX ? bag_for_filling(bags, &generation) : NULL;
    is_filled = bag && bag_reserve(bags, bag, (uint32_t)size);
    if (is_filled) {
        if (content->trace_state.len)
            memcpy(bag->memory, content->trace_state.ptr, content->trace_state.len);
        if (content->baggage.len)
            memcpy(bag->memory + content->trace_state.len, content->baggage.ptr,
                   content->baggage.len);
        bag->trace_state_len = (uint32_t)content->trace_state.len;
        bag->baggage_len = (uint32_t)content->baggage.len;
        bag->member_count = content->member_count;
        bag->value_count = content->value_count;
        memcpy(bag->values, content->values, sizeof(bag->values));
        context->_bag = bag;
        context->_bag_generation = generation;
    } else {
        atomic_fetch_add_explicit(&bags->refused, 1, memory_order_relaxed);
    }
    if (bag)
        atomic_store_explicit(&bag->word, (uint64_t)generation << 32, memory_order_release);
    return is_filled;
}

void kis_bag_read(const kis_bag *bag, kis_bag_content *out)
{
    out->trace_state = kis_bag_trace_state(bag);
    out->baggage = kis_bytes_of(bag->memory + bag->trace_state_len, bag->baggage_len);
    out->member_count = bag->member_count;
    out->value_count = bag->value_count;
    memcpy(out->values, bag->values, sizeof(out->values));
}

bool kis_bag_member_next(kis_bytes *rest, kis_bag_member *out)
{
    uint16_t lengths[3];
    const char *at;

    if (rest->len < sizeof(lengths))
        return false;
    memcpy(lengths, rest->ptr, sizeof(lengths));
    at = (const char *)rest->ptr + sizeof(lengths);
    out->name = kis_str_of(at, lengths[0]);
    out->value = kis_str_of(at + lengths[0], lengths[1]);
    out->metadata = kis_str_of(at + lengths[0] + lengths[1], lengths[2]);
    KIS_ASSERT(kis_bag_member_size(out) <= rest->len);
    rest->len -= kis_bag_member_size(out);
    rest->ptr += kis_bag_member_size(out);
    return true;
}

size_t kis_bag_member_size(const kis_bag_member *member)
{
    return 3 * sizeof(uint16_t) + member->name.len + member->value.len + member->metadata.len;
}

uint8_t *kis_bag_member_put(uint8_t *to, const kis_bag_member *member)
{
    uint16_t lengths[3] = { (uint16_t)member->name.len, (uint16_t)member->value.len,
                            (uint16_t)member->metadata.len };

    memcpy(to, lengths, sizeof(lengths));
    to += sizeof(lengths);
    if (member->name.len)
        memcpy(to, member->name.ptr, member->name.len);
    to += member->name.len;
    if (member->value.len)
        memcpy(to, member->value.ptr, member->value.len);
    to += member->value.len;
    if (member->metadata.len)
        memcpy(to, member->metadata.ptr, member->metadata.len);
    return to + member->metadata.len;
}
