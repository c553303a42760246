/* alloc.h - who gives memory. */
#ifndef KISEKI_ALLOC_H
#define KISEKI_ALLOC_H

#include <kiseki/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Gives and takes back memory. `take` answers NULL when there is none.
 * Thread safety is the giver's. */
typedef struct kis_alloc {
    void *(*take)(void *user, size_t size); /* aligned to 16 bytes, not zeroed */
    /* the size that was taken; NULL is fine */
    void (*give_back)(void *user, void *ptr, size_t size);
    void *user;
} kis_alloc;

#ifdef __cplusplus
}
#endif
#endif
