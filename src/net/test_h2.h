/* test_h2.h - an HTTP/2 client on a blocking socket, one thread, for the tests of the server. */
#ifndef KIS_NET_TEST_H2_H
#define KIS_NET_TEST_H2_H

#include "http/grpc.h"
#include "http/http2.h"
#include "net/test_server.h"

#define PEER_CALLS_MAX 512

typedef struct peer_call {
    kis_http2_stream *stream;
    int status, grpc_status; /* -1: none */
    char text[512];          /* headers and trailers, "name=value;" */
    size_t body_len;
    char body[256]; /* its beginning */
    bool is_ended, is_closed, is_trailers_only;
    uint32_t error;
} peer_call;

typedef struct peer {
    int fd;
    kis_http2 *h2;
    kis_buf out;
    bool is_closed; /* the server has */
    int closed_count;
    peer_call calls[PEER_CALLS_MAX];
    size_t call_count;
} peer;

static inline void peer_note(peer_call *call, const kis_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = strlen(call->text);
        snprintf(call->text + at, sizeof(call->text) - at, "%.*s=%.*s;", (int)headers[i].name.len,
                 headers[i].name.ptr, (int)headers[i].value.len, headers[i].value.ptr);
        if (kis_str_eq(headers[i].name, KIS_STR("grpc-status")))
            call->grpc_status = atoi(headers[i].value.ptr);
    }
}
static inline void peer_head(void *user, kis_http2_stream *stream, const kis_http2_head *head)
{
    peer_call *call = stream->user;
    (void)user;
    call->status = head->status;
    call->is_trailers_only = head->is_end;
    peer_note(call, head->headers, head->header_count);
}
static inline bool peer_data(void *user, kis_http2_stream *stream, kis_bytes piece)
{
    peer_call *call = stream->user;
    (void)user;
    if (call->body_len < sizeof(call->body))
        memcpy(call->body + call->body_len, piece.ptr,
               KIS_MIN(piece.len, sizeof(call->body) - call->body_len));
    call->body_len += piece.len;
    return true;
}
static inline void peer_trailers(void *user, kis_http2_stream *stream, const kis_header *headers,
                                 size_t count)
{
    (void)user;
    peer_note(stream->user, headers, count);
}
static inline void peer_end(void *user, kis_http2_stream *stream)
{
    (void)user;
    ((peer_call *)stream->user)->is_ended = true;
}
static inline void peer_close_event(void *user, kis_http2_stream *stream, uint32_t error)
{
    peer_call *call = stream->user;
    ((peer *)user)->closed_count++;
    call->is_closed = true;
    call->error = error;
    call->stream = NULL;
}

static inline void peer_flush(peer *p)
{
    do {
        kis_buf_clear(&p->out);
        CHECK_ERR(KIS_OK, kis_http2_fill(p->h2, &p->out, 65536), "fill");
        if (p->out.len && !test_send(p->fd, p->out.ptr, p->out.len))
            p->is_closed = true;
    } while (p->out.len && !p->is_closed);
}

static inline void peer_open(peer *p, const test_server *s)
{
    const kis_http2_events events = { p,        peer_head,        peer_data, peer_trailers,
                                      peer_end, peer_close_event, NULL };
    memset(p, 0, sizeof(*p));
    p->fd = test_dial(s);
    p->h2 = kis_http2_new(false, &events, &kis_mem);
    kis_buf_init(&p->out, &kis_mem, 1u << 20);
    peer_flush(p);
}

static inline void peer_close(peer *p)
{
    kis_http2_free(p->h2);
    kis_buf_done(&p->out);
    close(p->fd);
}

/* type: "application/grpc" or another, NULL: none. length: declares content-length when >= 0. */
static inline peer_call *peer_send(peer *p, const char *path, const char *type, long length,
                                   kis_bytes body)
{
    char number[32];
    kis_header headers[2];
    size_t count = 0;
    peer_call *call = &p->calls[p->call_count++];
    memset(call, 0, sizeof(*call));
    call->grpc_status = -1;
    if (type)
        headers[count++] = (kis_header){ KIS_STR("content-type"), kis_str_from_c(type) };
    snprintf(number, sizeof(number), "%ld", length);
    if (length >= 0)
        headers[count++] = (kis_header){ KIS_STR("content-length"), kis_str_from_c(number) };
    const kis_http2_head head = { .method = KIS_STR("POST"),
                                  .scheme = KIS_STR("http"),
                                  .authority = KIS_STR("here"),
                                  .path = kis_str_from_c(path),
                                  .headers = headers,
                                  .header_count = count };
    CHECK_ERR(KIS_OK,
              kis_http2_request(p->h2, &head,
                                &(kis_http2_body){ .bytes = body, .is_borrowed = true }, call,
                                &call->stream),
              "request");
    return call;
}

/* Moves bytes until nothing has come for `quiet_ms`, or the server has closed. */
static inline void peer_step(peer *p, int quiet_ms)
{
    static uint8_t room[65536];
    peer_flush(p);
    struct pollfd fd = { p->fd, POLLIN, 0 };
    if (p->is_closed || poll(&fd, 1, quiet_ms) <= 0)
        return;
    ssize_t got = recv(p->fd, room, sizeof(room), 0);
    if (got <= 0) {
        p->is_closed = true;
        return;
    }
    CHECK_ERR(KIS_OK, kis_http2_receive(p->h2, 1, kis_bytes_of(room, (size_t)got), NULL),
              "receive");
    peer_flush(p);
}

#define PEER_WAIT(p, what, why)                                          \
    do {                                                                 \
        uint64_t peer_end_ns = kis_now_ns() + 20000000000u;              \
        while (!(what) && !(p)->is_closed && kis_now_ns() < peer_end_ns) \
            peer_step((p), 20);                                          \
        CHECK(what, why);                                                \
    } while (0)

#endif
