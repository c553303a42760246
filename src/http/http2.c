/* http2.c - nghttp2 behind a small face: streams, events, and bodies on their way out.
 *
 *     http2_block.c   the header block that is coming in, with bounds, until it is a head
 *     http2_flood.c   what a peer does that costs us and not it is counted
 *     http2_mem.c     nghttp2's memory
 *
 * A body of ours lies in the stream and is sent without a further copy, or is pulled as the windows
 * open. A flood is answered with GOAWAY ENHANCE_YOUR_CALM.
 *
 * Always true: a stream is in the list from its first header to its on_close.
 */
#include "http/http2.h"

#include <nghttp2/nghttp2.h>

#include "base/diag.h"
#include "base/num.h"
#include "http/http2_block.h"
#include "http/http2_flood.h"
#include "http/http2_mem.h"

#define ANSWER_FIELDS_MAX (KIS_HTTP_HEADERS_MAX + 8u)

struct kis_http2 {
    const kis_alloc *alloc;
    nghttp2_session *session;
    kis_http2_events events;
    uint32_t goodbye_error; /* of the GOAWAY that was sent */
    bool is_server, is_greeted, is_goodbye_received, is_receiving;
    kis_http2_mem mem; /* nghttp2's */
    kis_http2_stream *first;
    uint32_t stream_count;
    uint64_t resets, now_ns;
    size_t queued_bytes; /* sum of block_size over the streams */
    kis_http2_block block;
    kis_flood_meters floods;
    kis_buf *out; /* while filling */
    size_t mark;
};

/* ---- streams ---- */

static kis_http2_stream *stream_new(kis_http2 *h2, int32_t id)
{
    kis_http2_stream *stream = h2->alloc->take(h2->alloc->user, sizeof(*stream));
    if (!stream)
        return NULL;
    *stream = (kis_http2_stream){ .owner = h2, .id = id, .next = h2->first };
    if (h2->first)
        h2->first->prev = stream;
    h2->first = stream;
    h2->stream_count++;
    return stream;
}

static void stream_drop_body(kis_http2_stream *stream)
{
    const kis_alloc *alloc = stream->owner->alloc;
    if (stream->block) {
        alloc->give_back(alloc->user, stream->block, stream->block_size);
        stream->owner->queued_bytes -= stream->block_size;
    }
    stream->block = NULL;
    stream->body = KIS_BYTES_NONE;
}

static void stream_free(kis_http2_stream *stream)
{
    kis_http2 *h2 = stream->owner;
    stream_drop_body(stream);
    *(stream->prev ? &stream->prev->next : &h2->first) = stream->next;
    if (stream->next)
        stream->next->prev = stream->prev;
    h2->stream_count--;
    h2->alloc->give_back(h2->alloc->user, stream, sizeof(*stream));
}

static kis_http2_stream *stream_of(kis_http2 *h2, int32_t id)
{
    return id ? nghttp2_session_get_stream_user_data(h2->session, id) : NULL;
}

/* ---- header blocks that come ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    kis_http2 *h2 = user;
    kis_http2_block_begin(&h2->block, frame->hd.stream_id);
    if (!h2->is_server || frame->hd.type != NGHTTP2_HEADERS ||
        frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    kis_http2_stream *stream = stream_new(h2, frame->hd.stream_id);
    if (!stream)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* this request is reset, the others live */
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user)
{
    kis_http2 *h2 = user;
    (void)session;
    (void)frame;
    (void)flags;
    return kis_http2_block_add(&h2->block, kis_str_of((const char *)name, name_len),
                               kis_str_of((const char *)value, value_len))
               ? 0
               : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* A header that may not be: nghttp2 would leave it out silently; the request is reset instead. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
                             const uint8_t *name, size_t name_len, const uint8_t *value,
                             size_t value_len, uint8_t flags, void *user)
{
    (void)session;
    (void)frame;
    (void)name;
    (void)name_len;
    (void)value;
    (void)value_len;
    (void)flags;
    (void)user;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* ---- frames that came ---- */

static void got_end(kis_http2 *h2, kis_http2_stream *stream)
{
    stream->is_in_over = true;
    h2->events.on_end(h2->events.user, stream);
}

static int got_headers(kis_http2 *h2, const nghttp2_frame *frame)
{
    kis_http2_stream *stream = stream_of(h2, frame->hd.stream_id);
    bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    kis_http2_head head;
    h2->block.is_open = false;
    if (!stream)
        return 0;
    if (!kis_http2_block_end(&h2->block, &head)) {
        nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, stream->id,
                                  NGHTTP2_INTERNAL_ERROR);
        return 0;
    }
    head.is_end = is_end;
    bool is_trailer = h2->is_server
                          ? frame->headers.cat == NGHTTP2_HCAT_HEADERS
                          : frame->headers.cat == NGHTTP2_HCAT_HEADERS && head.status == 0;
    if (is_trailer && h2->events.on_trailers)
        h2->events.on_trailers(h2->events.user, stream, head.headers, head.header_count);
    else if (!is_trailer && (h2->is_server || head.status >= 200))
        h2->events.on_head(h2->events.user, stream, &head);
    if (is_end)
        got_end(h2, stream);
    kis_http2_block_trim(&h2->block);
    return 0;
}

static int got_data(kis_http2 *h2, const nghttp2_frame *frame)
{
    kis_http2_stream *stream = stream_of(h2, frame->hd.stream_id);
    bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (frame->hd.length == 0 && !is_end &&
        !kis_flood_note(&h2->floods, KIS_FLOOD_EMPTY_DATA, h2->now_ns))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (is_end && stream)
        got_end(h2, stream);
    return 0;
}

static int got_counted(kis_http2 *h2, kis_flood_kind kind)
{
    return kis_flood_note(&h2->floods, kind, h2->now_ns) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int got_reset(kis_http2 *h2, const nghttp2_frame *frame)
{
    const kis_http2_stream *stream = stream_of(h2, frame->hd.stream_id);
    h2->resets++;
    return stream && !stream->is_out_over ? got_counted(h2, KIS_FLOOD_RESET_BY_PEER) : 0;
}

/* PRIORITY is thrown away unread, and told to nobody but here. */
static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *head, void *user)
{
    (void)session;
    return head->type == NGHTTP2_PRIORITY ? got_counted(user, KIS_FLOOD_PRIORITY) : 0;
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    kis_http2 *h2 = user;
    (void)session;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        return got_headers(h2, frame);
    case NGHTTP2_DATA:
        return got_data(h2, frame);
    case NGHTTP2_RST_STREAM:
        return h2->is_server ? got_reset(h2, frame) : 0;
    case NGHTTP2_PING:
        return got_counted(h2, KIS_FLOOD_PING);
    case NGHTTP2_WINDOW_UPDATE:
        return got_counted(h2, KIS_FLOOD_WINDOW_UPDATE);
    case NGHTTP2_SETTINGS:
        h2->is_greeted = true;
        return got_counted(h2, KIS_FLOOD_SETTINGS);
    case NGHTTP2_GOAWAY:
        h2->is_goodbye_received = true;
        return 0;
    default:
        return 0;
    }
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                         size_t len, void *user)
{
    kis_http2 *h2 = user;
    kis_http2_stream *stream = stream_of(h2, id);
    (void)flags;
    bool is_wanted = false;
    if (stream) {
        stream->bytes_in += len;
        is_wanted = h2->events.on_data(h2->events.user, stream, kis_bytes_of(data, len));
    }
    /* The bytes are where they belong, and charged: both windows may open. Of an unwanted body only
     * the connection's, so that it ends soon. */
    int result = is_wanted ? nghttp2_session_consume(session, id, len)
                           : nghttp2_session_consume_connection(session, len);
    return result == NGHTTP2_ERR_NOMEM ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
    kis_http2 *h2 = user;
    kis_http2_stream *stream = stream_of(h2, id);
    /* reset for what its header said: nghttp2 tells nobody of the header's end */
    if (id == h2->block.stream_id)
        h2->block.is_open = false;
    if (!stream)
        return 0;
    nghttp2_session_set_stream_user_data(session, id, NULL);
    h2->events.on_close(h2->events.user, stream, error);
    stream_free(stream);
    if (!h2->first && !h2->is_receiving)
        kis_http2_block_done(&h2->block);
    return 0;
}

/* ---- frames that go ---- */

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    kis_http2 *h2 = user;
    kis_http2_stream *stream = stream_of(h2, frame->hd.stream_id);
    (void)session;
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        h2->resets++;
        if (h2->is_server && (!stream || !stream->is_out_over) &&
            frame->rst_stream.error_code != NGHTTP2_NO_ERROR)
            /* receive looks at it */
            (void)kis_flood_note(&h2->floods, KIS_FLOOD_RESET_BY_US, h2->now_ns);
        return 0;
    }
    if (frame->hd.type == NGHTTP2_GOAWAY)
        h2->goodbye_error = frame->goaway.error_code;
    if (!stream || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    stream->is_head_sent = true;
    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    stream->is_out_over = true;
    stream_drop_body(stream);
    /* answered before its body was whole: the rest may stay where it is (RFC 9113, 8.1) */
    if (h2->is_server && !stream->is_in_over)
        nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
    return 0;
}

/* A request that could not leave any more (the peer has said goodbye): nghttp2 never opened the
 * stream, so it will not close it. */
static int on_frame_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int why,
                             void *user)
{
    kis_http2 *h2 = user;
    (void)session;
    (void)why;
    if (h2->is_server || frame->hd.type != NGHTTP2_HEADERS || stream_of(h2, frame->hd.stream_id))
        return 0;
    kis_http2_stream *stream = h2->first;
    while (stream && stream->id != frame->hd.stream_id)
        stream = stream->next;
    if (stream) {
        h2->events.on_close(h2->events.user, stream, KIS_HTTP2_REFUSED_STREAM);
        stream_free(stream);
    }
    return 0;
}

#define NV_ROOM (ANSWER_FIELDS_MAX + 4)

static nghttp2_nv nv_of(kis_str name, kis_str value)
{
    return (nghttp2_nv){ (uint8_t *)(uintptr_t)name.ptr, (uint8_t *)(uintptr_t)value.ptr, name.len,
                         value.len, NGHTTP2_NV_FLAG_NONE };
}

static bool is_connection_field(kis_str name)
{
    static const kis_str names[] = { KIS_STR_INIT("connection"), KIS_STR_INIT("keep-alive"),
                                     KIS_STR_INIT("proxy-connection"),
                                     KIS_STR_INIT("transfer-encoding"),
                                     KIS_STR_INIT("upgrade") }; /* RFC 9113, 8.2.2 */
    for (size_t i = 0; i < KIS_COUNT_OF(names); i++) {
        if (kis_str_eq(name, names[i]))
            return true;
    }
    return false;
}

static bool is_lower(kis_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] >= 'A' && name.ptr[i] <= 'Z')
            return false;
    }
    return true;
}

static size_t put_fields(nghttp2_nv *to, size_t at, const kis_header *fields, size_t count)
{
    for (size_t i = 0; i < count && at < NV_ROOM; i++) {
        if (kis_http_is_token(fields[i].name) && is_lower(fields[i].name) &&
            kis_http_is_value(fields[i].value) && !is_connection_field(fields[i].name))
            to[at++] = nv_of(fields[i].name, fields[i].value);
    }
    return at;
}

/* The body is at its end: trailers, if there are any, carry END_STREAM. */
static int body_at_end(kis_http2 *h2, kis_http2_stream *stream, uint32_t *flags)
{
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream->trailer_count == 0)
        return 0;
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    if (stream->is_trailer_sent)
        return 0;
    nghttp2_nv fields[NV_ROOM];
    size_t count = put_fields(fields, 0, stream->trailers, stream->trailer_count);
    stream->is_trailer_sent = true;
    return nghttp2_submit_trailer(h2->session, stream->id, fields, count) == 0
               ? 0
               : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static ssize_t read_pulled(kis_http2 *h2, kis_http2_stream *stream, uint8_t *to, size_t size,
                           uint32_t *flags)
{
    kis_buf room;
    bool is_ended = false, is_complete = true;
    kis_buf_init_fixed(&room, to, size);
    h2->events.on_pull(h2->events.user, stream, &room, size, &is_ended, &is_complete);
    if (is_ended && !is_complete)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* reset: the reader sees that it is cut */
    stream->bytes_out += room.len;
    if (is_ended && body_at_end(h2, stream, flags) != 0)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (room.len == 0 && !is_ended) {
        stream->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    return (ssize_t)room.len;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t size,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    kis_http2 *h2 = user;
    kis_http2_stream *stream = source->ptr;
    (void)session;
    (void)id;
    if (stream->is_pulled)
        return read_pulled(h2, stream, to, size, flags);
    size_t step = stream->body.len < size ? stream->body.len : size;
    if (step == stream->body.len && body_at_end(h2, stream, flags) != 0)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (step)
        *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    return (ssize_t)step;
}

static int send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *frame_head,
                     size_t length, nghttp2_data_source *source, void *user)
{
    kis_http2 *h2 = user;
    kis_http2_stream *stream = source->ptr;
    (void)session;
    (void)frame; /* never padded: nobody sets a padding callback */
    if (h2->out->len >= h2->mark)
        return NGHTTP2_ERR_WOULDBLOCK;
    kis_buf_add(h2->out, frame_head, 9);
    kis_buf_add(h2->out, stream->body.ptr, length);
    stream->body = kis_bytes_of(stream->body.ptr + length, stream->body.len - length);
    stream->bytes_out += length;
    return h2->out->err ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

kis_err kis_http2_fill(kis_http2 *h2, kis_buf *out, size_t mark)
{
    kis_err err = KIS_OK;
    h2->out = out;
    h2->mark = mark;
    if (h2->mem.is_broken)
        return KIS_ERR_NOMEM;
    while (out->len < mark && err == KIS_OK) {
        const uint8_t *frames;
        ssize_t size = nghttp2_session_mem_send(h2->session, &frames);
        if (size == 0)
            break;
        if (size < 0) {
            err = out->err ? out->err : KIS_ERR_NOMEM;
        } else {
            kis_buf_add(out, frames, (size_t)size);
            err = out->err;
        }
    }
    h2->out = NULL;
    return err;
}

/* ---- making ---- */

/* The tables of callbacks and options are made for each connection and thrown away: nghttp2 copies
 * what it needs. */
static nghttp2_session_callbacks *callbacks_new(void)
{
    nghttp2_session_callbacks *calls;
    if (nghttp2_session_callbacks_new(&calls) != 0)
        return NULL;
    nghttp2_session_callbacks_set_on_begin_headers_callback(calls, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(calls, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(calls, on_invalid_header);
    nghttp2_session_callbacks_set_on_begin_frame_callback(calls, on_begin_frame);
    nghttp2_session_callbacks_set_on_frame_recv_callback(calls, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, on_data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(calls, on_frame_send);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(calls, on_frame_not_sent);
    nghttp2_session_callbacks_set_send_data_callback(calls, send_data);
    return calls;
}

static nghttp2_option *options_new(void)
{
    nghttp2_option *options;
    if (nghttp2_option_new(&options) != 0)
        return NULL;
    nghttp2_option_set_no_auto_window_update(options, 1);
    nghttp2_option_set_no_closed_streams(options, 1);
    /* our meters know answered calls from others */
    nghttp2_option_set_stream_reset_rate_limit(options, UINT64_MAX / 2, UINT64_MAX / 2);
    /* until the peer says */
    nghttp2_option_set_peer_max_concurrent_streams(options, 100);
    return options;
}

static int submit_settings(kis_http2 *h2)
{
    const nghttp2_settings_entry server[] = {
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, KIS_HTTP2_STREAMS_MAX },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, KIS_HTTP2_STREAM_WINDOW },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, KIS_HTTP_HEADER_BYTES_MAX },
        { NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 },
    };
    const nghttp2_settings_entry client[] = {
        { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, KIS_HTTP2_STREAM_WINDOW },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, KIS_HTTP_HEADER_BYTES_MAX },
    };
    int result =
        h2->is_server
            ? nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, server, KIS_COUNT_OF(server))
            : nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, client, KIS_COUNT_OF(client));
    return result ? result
                  : nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
                                                          (int32_t)KIS_HTTP2_CONNECTION_WINDOW);
}

static bool session_new(kis_http2 *h2)
{
    nghttp2_session_callbacks *calls = callbacks_new();
    nghttp2_option *options = options_new();
    nghttp2_mem memory = kis_http2_mem_table(&h2->mem);
    int result = NGHTTP2_ERR_NOMEM;
    if (calls && options)
        result = h2->is_server
                     ? nghttp2_session_server_new3(&h2->session, calls, h2, options, &memory)
                     : nghttp2_session_client_new3(&h2->session, calls, h2, options, &memory);
    nghttp2_session_callbacks_del(calls);
    nghttp2_option_del(options);
    if (result != 0)
        h2->session = NULL;
    return result == 0 && submit_settings(h2) == 0;
}

kis_http2 *kis_http2_new(bool is_server, const kis_http2_events *events, const kis_alloc *alloc)
{
    kis_http2 *h2 = alloc->take(alloc->user, sizeof(*h2));
    if (!h2)
        return NULL;
    *h2 = (kis_http2){ .alloc = alloc, .events = *events, .is_server = is_server };
    h2->mem.alloc = alloc;
    kis_http2_block_init(&h2->block, alloc);
    if (!session_new(h2)) {
        kis_http2_free(h2);
        return NULL;
    }
    return h2;
}

void kis_http2_free(kis_http2 *h2)
{
    if (!h2)
        return;
    if (h2->session && !h2->mem.is_broken)
        nghttp2_session_del(h2->session);
    kis_http2_mem_done(&h2->mem);
    while (h2->first)
        stream_free(h2->first);
    kis_http2_block_done(&h2->block);
    h2->alloc->give_back(h2->alloc->user, h2, sizeof(*h2));
}

/* ---- receiving ---- */

static kis_err receive_failed(kis_http2 *h2, ssize_t result, kis_diag *diag)
{
    if (h2->mem.is_broken)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "HTTP/2: out of memory");
    if (h2->floods.what || result == NGHTTP2_ERR_FLOODED) {
        nghttp2_session_terminate_session(h2->session, NGHTTP2_ENHANCE_YOUR_CALM);
        return kis_diag_set(diag, KIS_ERR_LIMIT, "HTTP/2: a flood of %s",
                            h2->floods.what ? h2->floods.what : "frames that want an answer");
    }
    if (result == NGHTTP2_ERR_BAD_CLIENT_MAGIC)
        return kis_diag_set(diag, KIS_ERR_SYNTAX,
                            "HTTP/2: the connection does not begin as RFC 9113 says");
    nghttp2_session_terminate_session(h2->session, NGHTTP2_INTERNAL_ERROR);
    return kis_diag_set(diag, KIS_ERR_NOMEM, "HTTP/2: %s", nghttp2_strerror((int)result));
}

kis_err kis_http2_receive(kis_http2 *h2, uint64_t now_ns, kis_bytes in, kis_diag *diag)
{
    h2->now_ns = now_ns;
    if (h2->mem.is_broken)
        return receive_failed(h2, NGHTTP2_ERR_NOMEM, diag);
    h2->is_receiving = true;
    ssize_t result = !h2->floods.what ? nghttp2_session_mem_recv(h2->session, in.ptr, in.len)
                                      : NGHTTP2_ERR_CALLBACK_FAILURE;
    h2->is_receiving = false;
    if (result < 0 || h2->floods.what || h2->mem.is_broken)
        return receive_failed(h2, result, diag);
    if (!h2->first && !h2->block.is_open)
        kis_http2_block_done(&h2->block); /* an idle connection holds no room for headers */
    return KIS_OK;
}

bool kis_http2_is_over(const kis_http2 *h2)
{
    return h2->mem.is_broken ||
           (!nghttp2_session_want_read(h2->session) && !nghttp2_session_want_write(h2->session));
}

bool kis_http2_is_greeted(const kis_http2 *h2)
{
    return h2->is_greeted;
}
bool kis_http2_is_in_header_block(const kis_http2 *h2)
{
    return h2->block.is_open;
}
bool kis_http2_is_goodbye_received(const kis_http2 *h2)
{
    return h2->is_goodbye_received;
}
uint32_t kis_http2_goodbye_error(const kis_http2 *h2)
{
    return h2->goodbye_error;
}
uint32_t kis_http2_stream_count(const kis_http2 *h2)
{
    return h2->stream_count;
}
kis_http2_stream *kis_http2_first(const kis_http2 *h2)
{
    return h2->first;
}
uint64_t kis_http2_resets(const kis_http2 *h2)
{
    return h2->resets;
}
size_t kis_http2_queued_bytes(const kis_http2 *h2)
{
    return h2->queued_bytes;
}

uint32_t kis_http2_peer_streams_max(const kis_http2 *h2)
{
    return h2->mem.is_broken ? 0
                             : nghttp2_session_get_remote_settings(
                                   h2->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

/* ---- sending messages ---- */

/* Body and trailers into one block, unless there is nothing to keep. */
static bool stream_set_body(kis_http2_stream *stream, const kis_http2_body *body,
                            const kis_header *trailers, size_t trailer_count)
{
    size_t body_bytes = body->is_borrowed ? 0 : body->bytes.len;
    size_t size = trailer_count * sizeof(kis_header) + kis_headers_bytes(trailers, trailer_count) +
                  body_bytes;
    stream->is_pulled = body->is_pulled;
    stream->body = body->bytes;
    if (size == 0)
        return true;
    const kis_alloc *alloc = stream->owner->alloc;
    kis_header *copies = alloc->take(alloc->user, size);
    if (!copies)
        return false;
    uint8_t *at = (uint8_t *)(copies + trailer_count);
    stream->block = copies;
    stream->block_size = size;
    stream->owner->queued_bytes += size;
    kis_headers_put(copies, &at, trailers, trailer_count);
    stream->trailers = copies;
    stream->trailer_count = trailer_count;
    if (body_bytes) {
        memcpy(at, body->bytes.ptr, body_bytes);
        stream->body = kis_bytes_of(at, body_bytes);
    }
    return true;
}

kis_err kis_http2_answer(kis_http2_stream *stream, int status, const kis_header *headers,
                         size_t count, const kis_http2_body *body, const kis_header *trailers,
                         size_t trailer_count)
{
    kis_http2 *h2 = stream->owner;
    char number[KIS_NUM_TEXT_MAX];
    nghttp2_nv fields[NV_ROOM];
    fields[0] =
        nv_of(KIS_STR(":status"), kis_str_of(number, kis_u64_format((uint64_t)status, number)));
    size_t field_count = put_fields(fields, 1, headers, count);
    bool has_body = body->is_pulled || body->bytes.len || trailer_count;
    nghttp2_data_provider provider = { .source.ptr = stream, .read_callback = read_body };
    if (h2->mem.is_broken || !stream_set_body(stream, body, trailers, trailer_count))
        return KIS_ERR_NOMEM;
    stream->is_begun = true;
    return nghttp2_submit_response(h2->session, stream->id, fields, field_count,
                                   has_body ? &provider : NULL) == 0
               ? KIS_OK
               : KIS_ERR_NOMEM;
}

kis_err kis_http2_request(kis_http2 *h2, const kis_http2_head *head, const kis_http2_body *body,
                          void *user, kis_http2_stream **out)
{
    nghttp2_nv fields[NV_ROOM];
    if (h2->mem.is_broken || h2->is_goodbye_received ||
        !nghttp2_session_check_request_allowed(h2->session))
        return KIS_ERR_CLOSED;
    if (h2->stream_count >= kis_http2_peer_streams_max(h2))
        return KIS_ERR_FULL;
    kis_http2_stream *stream = stream_new(h2, 0);
    if (!stream)
        return KIS_ERR_NOMEM;
    fields[0] = nv_of(KIS_STR(":method"), head->method);
    fields[1] = nv_of(KIS_STR(":scheme"), head->scheme);
    fields[2] = nv_of(KIS_STR(":authority"), head->authority);
    fields[3] = nv_of(KIS_STR(":path"), head->path);
    size_t count = put_fields(fields, 4, head->headers, head->header_count);
    nghttp2_data_provider provider = { .source.ptr = stream, .read_callback = read_body };
    stream->user = user;
    int32_t id =
        stream_set_body(stream, body, NULL, 0)
            ? nghttp2_submit_request(h2->session, NULL, fields, count,
                                     body->is_pulled || body->bytes.len ? &provider : NULL, stream)
            : NGHTTP2_ERR_NOMEM;
    if (id < 0) {
        stream_free(stream);
        return id == NGHTTP2_ERR_NOMEM ? KIS_ERR_NOMEM : KIS_ERR_CLOSED;
    }
    stream->id = id;
    stream->is_begun = true;
    *out = stream;
    return KIS_OK;
}

void kis_http2_resume(kis_http2_stream *stream)
{
    if (!stream->is_deferred || stream->owner->mem.is_broken)
        return;
    stream->is_deferred = false;
    /* fails only when nothing was deferred */
    (void)nghttp2_session_resume_data(stream->owner->session, stream->id);
}

bool kis_http2_keep_frame(kis_http2_stream *stream)
{
    const kis_alloc *alloc = stream->owner->alloc;
    size_t size = KIS_MIN(stream->body.len, (size_t)KIS_HTTP2_FRAME_BYTES_MAX);
    if (size == 0 || stream->block)
        return true;
    void *copy = alloc->take(alloc->user, size);
    if (!copy)
        return false;
    memcpy(copy, stream->body.ptr, size);
    stream->block = copy;
    stream->block_size = size;
    stream->owner->queued_bytes += size;
    stream->body = kis_bytes_of(copy, size);
    return true;
}

void kis_http2_reset(kis_http2_stream *stream, kis_http2_error error)
{
    if (stream->owner->mem.is_broken)
        return;
    if (nghttp2_submit_rst_stream(stream->owner->session, NGHTTP2_FLAG_NONE, stream->id,
                                  (uint32_t)error) != 0)
        nghttp2_session_terminate_session(stream->owner->session, NGHTTP2_INTERNAL_ERROR);
}

void kis_http2_go_away(kis_http2 *h2, kis_http2_error error)
{
    if (h2->mem.is_broken)
        return;
    if (error == KIS_HTTP2_NO_ERROR)
        nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                              nghttp2_session_get_last_proc_stream_id(h2->session),
                              NGHTTP2_NO_ERROR, NULL, 0);
    else
        nghttp2_session_terminate_session(h2->session, (uint32_t)error);
}
