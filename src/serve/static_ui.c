/* static_ui.c - see static_ui.h.
 *
 * Files whose name carries a hash (everything under /assets/) may be kept for ever; all else is
 * asked for again and mostly answered 304. The policy allows the page its own files and its own
 * server, and nobody to frame it.
 */
#include "serve/static_ui.h"

#include "serve/answer.h"

#define POLICY                                                                                     \
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors " \
    "'none'"

static const kis_static_file *find_exactly(const kis_static_ui *ui, kis_str path)
{
    unsigned long low = 0, high = ui->count;

    while (low < high) {
        unsigned long middle = low + (high - low) / 2;
        int order = kis_str_compare(kis_str_from_c(ui->files[middle].path), path);
        if (order == 0)
            return &ui->files[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static bool is_page_path(kis_str path)
{
    for (size_t i = path.len; i-- > 0 && path.ptr[i] != '/';)
        if (path.ptr[i] == '.')
            return false;
    return true;
}

const kis_static_file *kis_static_find(const kis_static_ui *ui, kis_str path)
{
    const kis_static_file *file = find_exactly(ui, path);

    /* Names with a dot are assets, and a missing asset shall say so; but a trace's or a service's
     * name in a path may have dots too. */
    if (!file && (is_page_path(path) || kis_str_starts(path, KIS_STR("/trace/")) ||
                  kis_str_starts(path, KIS_STR("/search"))))
        file = find_exactly(ui, KIS_STR("/index.html"));
    return file;
}

static bool tag_matches(kis_str if_none_match, kis_str etag)
{
    while (if_none_match.len) {
        kis_str tag = kis_str_trim(kis_str_cut(&if_none_match, ','));
        if (kis_str_starts(tag, KIS_STR("W/")))
            tag = kis_str_slice(tag, 2, tag.len);
        if (kis_str_eq(tag, etag) || kis_str_eq(tag, KIS_STR("*")))
            return true;
    }
    return false;
}

static void answer_text(kis_exchange *exchange, int status, kis_str text)
{
    const kis_header headers[] = { { KIS_STR("content-type"),
                                     KIS_STR("text/plain; charset=utf-8") },
                                   { KIS_STR("x-content-type-options"), KIS_STR("nosniff") } };
    kis_answer_head head = { .status = status,
                             .headers = headers,
                             .header_count = KIS_COUNT_OF(headers) };
    kis_exchange_answer(exchange, &head, kis_bytes_of_str(text));
}

void kis_static_answer(const kis_static_ui *ui, kis_exchange *exchange)
{
    const kis_request_head *request = kis_exchange_head(exchange);
    const kis_static_file *file = kis_static_find(ui, request->path);

    if (ui->count == 0) {
        answer_text(exchange, 404,
                    KIS_STR("This kiseki was built without its page (ui/dist was empty): build it "
                            "with ./dev build. The query API is at /api/.\n"));
        return;
    }
    if (!file) {
        answer_text(exchange, 404, KIS_STR("404 page not found\n"));
        return;
    }
    bool is_hashed = kis_str_starts(kis_str_from_c(file->path), KIS_STR("/assets/"));
    bool is_same =
        tag_matches(kis_request_header(request, "if-none-match"), kis_str_from_c(file->etag));
    bool is_gzip =
        !is_same && file->gzip && kis_accepts_gzip(kis_request_header(request, "accept-encoding"));
    const kis_header headers[] = {
        { KIS_STR("content-type"), kis_str_from_c(file->type) },
        { KIS_STR("etag"), kis_str_from_c(file->etag) },
        { KIS_STR("cache-control"),
          is_hashed ? KIS_STR("public, max-age=31536000, immutable") : KIS_STR("no-cache") },
        { KIS_STR("content-security-policy"), KIS_STR(POLICY) },
        { KIS_STR("x-content-type-options"), KIS_STR("nosniff") },
        { KIS_STR("referrer-policy"), KIS_STR("no-referrer") },
        { KIS_STR("vary"), KIS_STR("accept-encoding") },
        { KIS_STR("content-encoding"), KIS_STR("gzip") },
    };
    kis_answer_head head = { .status = is_same ? 304 : 200,
                             .headers = headers,
                             .header_count = KIS_COUNT_OF(headers) - (is_gzip ? 0 : 1) };
    kis_bytes body = is_same   ? KIS_BYTES_NONE
                     : is_gzip ? kis_bytes_of(file->gzip, file->gzip_size)
                               : kis_bytes_of(file->bytes, file->size);
    kis_exchange_answer(exchange, &head, body);
}
