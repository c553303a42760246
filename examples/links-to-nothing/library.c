/* library.c - an instrumented library: it sees the headers of kiseki alone and links to nothing. */
#include "library.h"

#include <kiseki/kiseki.h>

KIS_TRACER(shop, "libshop", "2.1.0")

int shop_price(int article)
{
    KIS_SPAN(span, shop(), "price", .kind = KIS_SPAN_KIND_INTERNAL);
    kis_span_set(span, KIS_KV("article", article));
    return kis_span_is_recording(span) ? article * 2 : -article * 2;
}
