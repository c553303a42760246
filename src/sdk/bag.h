/* bag.h - what a context carries beside ids: trace state, baggage, the program's values.
 * See bag.c. */
#ifndef KIS_SDK_BAG_H
#define KIS_SDK_BAG_H

#include <stdatomic.h>

#include <kiseki/context.h>

#include "base/str.h"

#define KIS_BAGS_MAX KIS_CONTEXT_BAGS

typedef struct kis_bag_value {
    const kis_context_key *key;
    void *value;
} kis_bag_value;

typedef struct kis_bag {
    _Atomic uint64_t word; /* generation << 32 | holders; KIS_BAG_FILLING: nobody's yet */
    uint8_t *memory;       /* trace state, then baggage */
    uint32_t memory_size;
    uint32_t trace_state_len, baggage_len;
    uint32_t member_count, value_count;
    kis_bag_value values[KIS_CONTEXT_VALUES];
} kis_bag;

/** What a new bag shall hold. Borrowed. Baggage is in the form of bag.c: kis_bag_member_next reads
 * it, kis_bag_member_put writes it. */
typedef struct kis_bag_content {
    kis_str trace_state;
    kis_bytes baggage;
    uint32_t member_count, value_count;
    kis_bag_value values[KIS_CONTEXT_VALUES];
} kis_bag_content;

typedef struct kis_bag_member {
    kis_str name, value, metadata;
} kis_bag_member;

typedef struct kis_bags {
    _Atomic uint32_t lock; /* guards `next` and `count`; one holder for a few instructions */
    uint32_t next, count;
    const kis_alloc *alloc;
    kis_bag *bags[KIS_BAGS_MAX];
    _Atomic uint64_t refused; /* all were held, or no memory */
} kis_bags;

void kis_bags_init(kis_bags *bags, const kis_alloc *alloc);
void kis_bags_done(kis_bags *bags);
void kis_bags_after_fork(kis_bags *bags); /* holders of other threads are gone */

/** Puts the content into a bag of its own and into the context. Empty content leaves none. False:
 * refused; the context has none then. */
bool kis_bags_fill(kis_bags *bags, const kis_bag_content *content, kis_context *context);
/** Holds it: its content stays as it is until dropped. False:
 * it has been used for something else since. */
bool kis_bag_hold(kis_bag *bag, uint32_t generation);
void kis_bag_drop(kis_bag *bag);

/** The content of a held bag. Borrows from it. */
void kis_bag_read(const kis_bag *bag, kis_bag_content *out);
static inline kis_str kis_bag_trace_state(const kis_bag *bag)
{
    return kis_str_of((const char *)bag->memory, bag->trace_state_len);
}

bool kis_bag_member_next(kis_bytes *rest, kis_bag_member *out);
size_t kis_bag_member_size(const kis_bag_member *member);
/* answers the place behind it */
uint8_t *kis_bag_member_put(uint8_t *to, const kis_bag_member *member);

#endif
