/* pretty.h - compact JSON made readable as it streams by, for ?prettyPrint=true. */
#ifndef KIS_SERVE_PRETTY_H
#define KIS_SERVE_PRETTY_H

#include "base/buf.h"

/** Where the text stands between two pieces; zeros is the beginning. */
typedef struct kis_pretty {
    uint32_t depth;
    bool is_on, in_string, is_escaped;
    bool is_fresh; /* behind an opening bracket: an empty container stays on its line */
} kis_pretty;

/** Appends `json`, a piece of one compact JSON text, with line ends and four spaces a level. */
void kis_pretty_put(kis_pretty *pretty, kis_str json, kis_buf *out);

#endif
