/* vec.h - a typed array that grows, in six lines of macro.
 *
 *     KIS_VEC(uint32_t) rows = { 0 };
 *     if (!KIS_VEC_PUSH(&rows, alloc, row)) return KIS_ERR_NOMEM;
 *     KIS_VEC_DONE(&rows, alloc);
 */
#ifndef KIS_BASE_VEC_H
#define KIS_BASE_VEC_H

#include "base/mem.h"

#define KIS_VEC(type)      \
    struct {               \
        type *at;          \
        uint32_t len, cap; \
    }

/** Grows *at to hold at least `want`; false and unchanged when there is no memory or want >
 * UINT32_MAX / 2. */
bool kis_vec_reserve_raw(void **at, uint32_t *cap, size_t item_size, size_t want,
                         const kis_alloc *alloc);

#define KIS_VEC_RESERVE(vec, alloc, want) \
    ((size_t)(want) <= (vec)->cap ||      \
     kis_vec_reserve_raw((void **)&(vec)->at, &(vec)->cap, sizeof(*(vec)->at), (want), (alloc)))
#define KIS_VEC_PUSH(vec, alloc, item)                   \
    (KIS_VEC_RESERVE(vec, alloc, (size_t)(vec)->len + 1) \
         ? ((vec)->at[(vec)->len++] = (item), true)      \
         : false)
#define KIS_VEC_DONE(vec, alloc)                                                               \
    ((vec)->at ? (alloc)->give_back((alloc)->user, (vec)->at, sizeof(*(vec)->at) * (vec)->cap) \
               : (void)0,                                                                      \
     (vec)->at = NULL, (vec)->len = (vec)->cap = 0)

#endif
