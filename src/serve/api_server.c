/* api_server.c - what kiseki's own page asks beside Jaeger's API:
 *
 *     GET /api/kiseki/server
 *     {"version":"0.1.0","promise":"keeps 72h or 10.0 GiB; OTLP answers are durable",
 *      "listeners":[{"label":"OTLP/HTTP","address":"http://127.0.0.1:4318","tls":false},...]}
 *
 * Where the data lies is not said: it is nobody's business behind the listener.
 */
#include "base/diag.h"
#include "model/json_put.h"
#include "serve/api.h"

static void put_field(kis_buf *out, const char *name, const char *text)
{
    kis_buf_add_fmt(out, "\"%s\":", name);
    kis_json_put_str(out, kis_str_from_c(text));
    kis_buf_add_byte(out, ',');
}

void kis_api_server(kis_api_call *call)
{
    kis_buf *out = &call->out->buf;
    const kis_server_facts *facts = call->server;
    kis_diag diag;

    if (!facts) {
        kis_diag_set(&diag, KIS_ERR_NOT_FOUND, "no server is at work here");
        kis_api_fail(call, kis_v3_error, KIS_ERR_NOT_FOUND, &diag);
        return;
    }
    kis_buf_add_byte(out, '{');
    put_field(out, "version", KIS_VERSION);
    put_field(out, "promise", facts->promise);
    kis_buf_add_str(out, KIS_STR("\"listeners\":["));
    for (size_t i = 0; i < facts->listener_count; i++) {
        kis_buf_add_str(out, i ? KIS_STR(",{") : KIS_STR("{"));
        put_field(out, "label", facts->listeners[i].label);
        put_field(out, "address", facts->listeners[i].address);
        kis_buf_add_fmt(out, "\"tls\":%s}", facts->listeners[i].has_tls ? "true" : "false");
    }
    kis_buf_add_str(out, KIS_STR("]}"));
    kis_answer_finish(call->out);
}
