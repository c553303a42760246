/* find.c - bounds of a search, and its page.
 *
 * Asks the reader for one trace more than wanted: that one says whether there is a next page, and
 * is not given out. The token is the place of the last one that was given, a value: it stays right
 * when segments come and go.
 */
#include "query/find.h"

#include "base/diag.h"
#include "base/num.h"

typedef struct found_page {
    kis_found *at;
    uint32_t count, limit;
    bool has_more;
} found_page;

static bool add_found(void *user, const kis_found *found)
{
    found_page *page = user;

    if (page->count == page->limit) {
        page->has_more = true;
        return false;
    }
    page->at[page->count++] = *found;
    return true;
}

static kis_err check_query(const kis_query *q, kis_diag *diag)
{
    if (q->limit > KIS_QUERY_LIMIT_MAX)
        return kis_diag_set(diag, KIS_ERR_LIMIT,
                            "%u traces asked for, at most %u are answered at once", q->limit,
                            KIS_QUERY_LIMIT_MAX);
    if (q->start_max_unix_ns && q->start_min_unix_ns > q->start_max_unix_ns)
        return kis_diag_set(diag, KIS_ERR_RANGE, "the start of the time range lies behind its end");
    return KIS_OK;
}

kis_err kis_query_find(kis_reader *reader, const kis_query *query, kis_arena *arena,
                       kis_query_result *out, kis_diag *diag)
{
    found_page page = { .limit = query->limit ? query->limit : KIS_QUERY_LIMIT_DEFAULT };
    kis_answer answer = { 0 };
    const kis_filter *filter = NULL;

    kis_err err = check_query(query, diag);
    if (!err)
        err = kis_query_filter(&query->terms, arena, &filter, diag);
    if (err)
        return err;
    page.at = KIS_NEW_ARRAY(arena, kis_found, page.limit);
    if (!page.at)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for %u found traces", page.limit);

    kis_find find = {
        .request = query->request,
        .start_min_unix_ns = query->start_min_unix_ns,
        .start_max_unix_ns = query->start_max_unix_ns,
        .filter = filter,
        .limit = page.limit + 1,
        .after = query->after,
    };
    err = reader->ops->find(reader, &find, add_found, &page, &answer, diag);
    if (err == KIS_ERR_NOT_FOUND)
        err = KIS_OK;
    if (err)
        return err;
    *out = (kis_query_result){
        .traces = page.at, .count = page.count, .has_more = page.has_more, .answer = answer
    };
    if (page.count)
        out->next =
            (kis_token){ page.at[page.count - 1].newest_unix_ns, page.at[page.count - 1].trace_id };
    return KIS_OK;
}

void kis_token_format(kis_token token, char out[KIS_TOKEN_TEXT_LEN])
{
    uint8_t time[8];

    for (int i = 0; i < 8; i++)
        time[i] = (uint8_t)(token.newest_unix_ns >> (56 - 8 * i));
    kis_hex_format(time, 8, out);
    kis_hex_format(token.trace_id.bytes, 16, out + 16);
}

kis_err kis_token_parse(kis_str text, kis_token *out)
{
    uint8_t bytes[24];
    kis_token token = { 0 };

    if (kis_hex_parse(text, true, bytes, sizeof(bytes)) != KIS_OK)
        return KIS_ERR_SYNTAX;
    for (int i = 0; i < 8; i++)
        token.newest_unix_ns = token.newest_unix_ns << 8 | bytes[i];
    memcpy(token.trace_id.bytes, bytes + 8, 16);
    *out = token;
    return KIS_OK;
}
