/* id_generator.h - a table to fill in: where trace ids and span ids come from.
 *
 * Default: one generator for each thread, seeded by the kernel and seeded anew after fork; no two
 * processes share ids. It sets the random flag of W3C level 2. Called on any thread, also at once.
 * An id of all zeros is replaced by one of the default generator.
 */
#ifndef KISEKI_ID_GENERATOR_H
#define KISEKI_ID_GENERATOR_H

#include <kiseki/id.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kis_id_generator {
    kis_trace_id (*trace_id)(void *user);
    kis_span_id (*span_id)(void *user);
    /* the low 56 bits of trace ids are uniformly random: the random flag is set on root spans */
    bool is_random;
    void *user;
} kis_id_generator;

#ifdef __cplusplus
}
#endif
#endif
