/* test_answer.h - the other end of a kis_answer_writer, for tests: keeps what it gets and can go
 * away. */
#ifndef KIS_SERVE_TEST_ANSWER_H
#define KIS_SERVE_TEST_ANSWER_H

#include "os/mem.h"
#include "serve/answer.h"

typedef struct test_answer {
    kis_answer_to to;
    kis_buf body, headers; /* headers: "name: value\n" each */
    int status, answers, pieces, ends;
    int fail_after; /* pieces; then the reader is gone. 0: never */
    bool has_begun, is_complete;
} test_answer;

static inline void test_answer_head(test_answer *t, const kis_answer_head *head)
{
    t->status = head->status;
    for (size_t i = 0; i < head->header_count; i++)
        kis_buf_add_fmt(&t->headers, KIS_FMT ": " KIS_FMT "\n", KIS_ARG(head->headers[i].name),
                        KIS_ARG(head->headers[i].value));
}
static inline void test_answer_whole(void *user, const kis_answer_head *head, kis_bytes body)
{
    test_answer *t = user;
    test_answer_head(t, head);
    t->answers++;
    t->is_complete = true;
    kis_buf_add_bytes(&t->body, body);
}
static inline void test_answer_begin(void *user, const kis_answer_head *head)
{
    test_answer *t = user;
    test_answer_head(t, head);
    t->answers++;
    t->has_begun = true;
}
static inline kis_err test_answer_write(void *user, kis_bytes bytes, uint64_t deadline_ns)
{
    test_answer *t = user;
    (void)deadline_ns;
    if (t->fail_after && t->pieces >= t->fail_after)
        return KIS_ERR_CLOSED;
    t->pieces++;
    kis_buf_add_bytes(&t->body, bytes);
    return KIS_OK;
}
static inline void test_answer_end(void *user, bool is_complete)
{
    test_answer *t = user;
    t->ends++;
    t->is_complete = is_complete;
}

static inline void test_answer_init(test_answer *t)
{
    *t = (test_answer){ .to = { test_answer_whole, test_answer_begin, test_answer_write,
                                test_answer_end, t } };
    kis_buf_init(&t->body, &kis_mem, (size_t)1 << 30);
    kis_buf_init(&t->headers, &kis_mem, 1 << 16);
}
static inline void test_answer_done(test_answer *t)
{
    kis_buf_done(&t->body);
    kis_buf_done(&t->headers);
}
/** The value of a header, or an empty text. */
static inline kis_str test_answer_header(const test_answer *t, const char *name)
{
    for (kis_str rest = kis_buf_str(&t->headers), line; (line = kis_str_cut(&rest, '\n')).len;) {
        kis_str key = kis_str_cut(&line, ':');
        if (kis_str_eq(key, kis_str_from_c(name)))
            return kis_str_slice(line, 1, line.len);
    }
    return KIS_STR_NONE;
}

#endif
