/* pretty.c - see pretty.h. Only brackets, commas and colons outside of strings matter, so a piece
 * may begin and end anywhere. */
#include "serve/pretty.h"

#define INDENT_DEPTH_MAX 64u /* deeper levels stand no further to the right */

static void put_line_end(const kis_pretty *p, kis_buf *out)
{
    kis_buf_add_byte(out, '\n');
    for (uint32_t i = 0; i < KIS_MIN(p->depth, INDENT_DEPTH_MAX); i++)
        kis_buf_add(out, "    ", 4);
}

static void put_in_string(kis_pretty *p, char c, kis_buf *out)
{
    kis_buf_add_byte(out, (uint8_t)c);
    if (p->is_escaped)
        p->is_escaped = false;
    else if (c == '\\')
        p->is_escaped = true;
    else if (c == '"')
        p->in_string = false;
}

static void put_closing(kis_pretty *p, char c, kis_buf *out)
{
    p->depth -= p->depth > 0;
    if (!p->is_fresh)
        put_line_end(p, out);
    p->is_fresh = false;
    kis_buf_add_byte(out, (uint8_t)c);
}

static void put_value(kis_pretty *p, char c, kis_buf *out)
{
    if (p->is_fresh)
        put_line_end(p, out);
    p->is_fresh = c == '{' || c == '[';
    p->depth += p->is_fresh;
    p->in_string = c == '"';
    kis_buf_add_byte(out, (uint8_t)c);
}

void kis_pretty_put(kis_pretty *p, kis_str json, kis_buf *out)
{
    for (size_t i = 0; i < json.len; i++) {
        char c = json.ptr[i];
        if (p->in_string) {
            put_in_string(p, c, out);
        } else if (c == '}' || c == ']') {
            put_closing(p, c, out);
        } else if (c == ',') {
            kis_buf_add_byte(out, ',');
            put_line_end(p, out);
        } else if (c == ':') {
            kis_buf_add(out, ": ", 2);
        } else if (c == '\n') {
            kis_buf_add_byte(out, '\n'); /* behind an error answer */
        } else {
            put_value(p, c, out);
        }
    }
}
