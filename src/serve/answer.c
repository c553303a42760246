/* answer.c - see answer.h. */
#include "serve/answer.h"

void kis_answer_init(kis_answer_writer *w, const kis_answer_to *to, const kis_alloc *alloc)
{
    *w = (kis_answer_writer){ .to = *to,
                              .status = 200,
                              .content_type = KIS_STR("application/json") };
    kis_buf_init(&w->buf, alloc, KIS_ANSWER_BUF_MAX);
}

void kis_answer_done(kis_answer_writer *w)
{
    kis_buf_done(&w->buf);
}

void kis_answer_add_header(kis_answer_writer *w, kis_str name, kis_str value)
{
    if (w->header_count < KIS_ANSWER_HEADERS_MAX)
        w->headers[w->header_count++] = (kis_header){ name, value };
}

/* The writer's own headers first, then the three that every answer of the API has. */
static kis_answer_head make_head(const kis_answer_writer *w, bool is_gzip,
                                 kis_header room[KIS_ANSWER_HEADERS_MAX + 4])
{
    size_t count = 0;

    room[count++] = (kis_header){ KIS_STR("content-type"), w->content_type };
    room[count++] = (kis_header){ KIS_STR("x-content-type-options"), KIS_STR("nosniff") };
    room[count++] = (kis_header){ KIS_STR("vary"), KIS_STR("accept-encoding") };
    if (is_gzip)
        room[count++] = (kis_header){ KIS_STR("content-encoding"), KIS_STR("gzip") };
    for (size_t i = 0; i < w->header_count; i++)
        room[count++] = w->headers[i];
    return (kis_answer_head){ .status = w->status, .headers = room, .header_count = count };
}

/* What is in the buffer, indented; one that does not fit is an error of the buffer. */
static void indent_piece(kis_answer_writer *w)
{
    kis_buf indented;

    if (!w->pretty.is_on)
        return;
    kis_buf_init(&indented, w->buf.alloc, w->buf.max);
    kis_pretty_put(&w->pretty, kis_buf_str(&w->buf), &indented);
    kis_buf_done(&w->buf);
    w->buf = indented;
    w->err = w->err ? w->err : w->buf.err;
}

static bool send_piece(kis_answer_writer *w)
{
    indent_piece(w);
    if (!w->has_begun) {
        kis_header room[KIS_ANSWER_HEADERS_MAX + 4];
        kis_answer_head head = make_head(w, false, room);
        w->has_begun = true;
        w->to.begin(w->to.user, &head);
    }
    if (w->buf.len && !w->err)
        w->err = w->to.write(w->to.user, kis_buf_bytes(&w->buf), w->deadline_ns);
    kis_buf_clear(&w->buf);
    return w->err == KIS_OK;
}

bool kis_answer_flush(kis_answer_writer *w)
{
    if (w->err || w->is_over)
        return false;
    if (w->buf.err) {
        w->err = w->buf.err;
        return false;
    }
    return w->buf.len < KIS_ANSWER_PIECE_BYTES || send_piece(w);
}

static void answer_whole(kis_answer_writer *w)
{
    indent_piece(w);
    kis_header room[KIS_ANSWER_HEADERS_MAX + 4];
    kis_bytes body = kis_buf_bytes(&w->buf);
    kis_buf packed;
    bool is_gzip = false;

    kis_buf_init(&packed, w->buf.alloc, 2 * body.len + KIS_ANSWER_GZIP_MIN);
    if (w->codecs && w->accepts_gzip && body.len >= KIS_ANSWER_GZIP_MIN)
        is_gzip = kis_compress(w->codecs, KIS_CODING_GZIP, 0, body, &packed, NULL) == KIS_OK &&
                  packed.len < body.len;
    kis_answer_head head = make_head(w, is_gzip, room);
    w->to.answer(w->to.user, &head, is_gzip ? kis_buf_bytes(&packed) : body);
    kis_buf_done(&packed);
}

void kis_answer_finish(kis_answer_writer *w)
{
    if (w->is_over)
        return;
    if (!w->err)
        w->err = w->buf.err;
    if (w->has_begun) {
        bool is_complete = !w->err && send_piece(w);
        w->to.end(w->to.user, is_complete);
    } else if (!w->err) {
        answer_whole(w);
    } else {
        /* there is no room for words either */
        w->status = w->err == KIS_ERR_NOMEM ? 503 : 500;
        kis_buf_clear(&w->buf);
        answer_whole(w);
    }
    w->is_over = true;
}

bool kis_answer_restart(kis_answer_writer *w)
{
    if (w->is_over)
        return false;
    if (w->has_begun) {
        w->to.end(w->to.user, false);
        w->is_over = true;
        return false;
    }
    kis_buf_clear(&w->buf);
    w->pretty = (kis_pretty){ .is_on = w->pretty.is_on };
    w->err = KIS_OK;
    return true;
}

/* ---- an exchange as the other end ---- */

static void exchange_answer(void *user, const kis_answer_head *head, kis_bytes body)
{
    kis_exchange_answer(user, head, body);
}
static void exchange_begin(void *user, const kis_answer_head *head)
{
    kis_exchange_begin(user, head);
}
static void exchange_end(void *user, bool is_complete)
{
    kis_exchange_end(user, is_complete);
}
static kis_err exchange_write(void *user, kis_bytes bytes, uint64_t deadline_ns)
{
    return kis_exchange_write(user, bytes, deadline_ns);
}

kis_answer_to kis_answer_to_exchange(kis_exchange *exchange)
{
    return (kis_answer_to){ exchange_answer, exchange_begin, exchange_write, exchange_end,
                            exchange };
}

/* ---- Accept-Encoding ---- */

static bool is_zero_weight(kis_str parameters)
{
    while (parameters.len) {
        kis_str part = kis_str_trim(kis_str_cut(&parameters, ';'));
        if (part.len < 3 || (part.ptr[0] | 0x20) != 'q' || part.ptr[1] != '=')
            continue;
        for (size_t i = 2; i < part.len; i++)
            if (part.ptr[i] != '0' && part.ptr[i] != '.')
                return false;
        return true;
    }
    return false;
}

bool kis_accepts_gzip(kis_str accept_encoding)
{
    bool by_star = false;

    for (kis_str rest = accept_encoding; rest.len;) {
        kis_str item = kis_str_cut(&rest, ',');
        kis_str name = kis_str_trim(kis_str_cut(&item, ';'));
        if (kis_str_eq_nocase(name, KIS_STR("gzip")) || kis_str_eq_nocase(name, KIS_STR("x-gzip")))
            return !is_zero_weight(item);
        if (kis_str_eq(name, KIS_STR("*")))
            by_star = !is_zero_weight(item);
    }
    return by_star;
}
