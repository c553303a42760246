/* http2_mem.h - the memory of one nghttp2 session, which can be given back without its help.
 * Inside http/ only. */
#ifndef KIS_HTTP_HTTP2_MEM_H
#define KIS_HTTP_HTTP2_MEM_H

#include <nghttp2/nghttp2.h>

#include "base/mem.h"

/** Filled with { .alloc = … }. Stays where it is while the session lives. */
typedef struct kis_http2_mem {
    const kis_alloc *alloc;
    struct http2_piece *pieces; /* all that nghttp2 holds */
    bool is_broken;             /* there was no memory once: nghttp2 is called no more */
} kis_http2_mem;

/** nghttp2's table of functions over it. */
nghttp2_mem kis_http2_mem_table(kis_http2_mem *mem);
/** Gives back what is left. After nghttp2_session_del that is nothing, when broken all. */
void kis_http2_mem_done(kis_http2_mem *mem);

#endif
