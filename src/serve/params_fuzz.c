/* params_fuzz.c - a URL's query, and the JSON that may be in it. */
#include "os/mem.h"
#include "serve/params.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kis_str text = kis_str_of((const char *)data, size);
    kis_arena arena;
    kis_params params;
    kis_tag_list tags = { .count = 0 };
    kis_trace_id id;
    kis_diag diag;

    kis_arena_init(&arena, &kis_mem, 1 << 20);
    if (kis_params_parse(text, &arena, &params, &diag) == KIS_OK && params.count > KIS_PARAMS_MAX)
        __builtin_trap();
    if (kis_tags_put_json(&tags, text, &arena, &diag) == KIS_OK && tags.count > KIS_QUERY_TAGS_MAX)
        __builtin_trap();
    if (kis_param_trace_id(text, &id, &diag) == KIS_OK && size == 0)
        __builtin_trap();
    kis_arena_done(&arena);
    return 0;
}
