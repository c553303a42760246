/* health.c - see health.h. */
#include "serve/health.h"

#include "base/num.h"
#include "os/os.h"
#include "serve/plain.h"

void kis_health_json(const kis_health *health, uint64_t now_ns, kis_buf *out)
{
    char since[KIS_NUM_TEXT_MAX], uptime[KIS_NUM_TEXT_MAX];

    if (!atomic_load(&health->is_available)) {
        kis_buf_add_str(
            out, KIS_STR("{\"status\":\"Server not "
                         "available\",\"upSince\":\"0001-01-01T00:00:00Z\",\"uptime\":\"\"}"));
        return;
    }
    kis_str since_text = { since, kis_time_format(health->up_since_unix_ns, since) };
    kis_str uptime_text = { uptime,
                            kis_duration_format((int64_t)(now_ns - health->up_since_ns), uptime) };
    kis_buf_add_fmt(out,
                    "{\"status\":\"Server available\",\"upSince\":\"" KIS_FMT
                    "\",\"uptime\":\"" KIS_FMT "\"}",
                    KIS_ARG(since_text), KIS_ARG(uptime_text));
}

static void answer_json(kis_exchange *exchange, int status, kis_str body)
{
    const kis_header headers[] = { { KIS_STR("content-type"), KIS_STR("application/json") },
                                   { KIS_STR("x-content-type-options"), KIS_STR("nosniff") } };
    kis_answer_head head = { .status = status,
                             .headers = headers,
                             .header_count = KIS_COUNT_OF(headers) };
    kis_exchange_answer(exchange, &head, kis_bytes_of_str(body));
}

static bool health_on_head(void *user, kis_exchange *exchange, uint64_t *max_body_bytes)
{
    kis_health *health = user;
    const kis_request_head *request = kis_exchange_head(exchange);
    char room[256];
    kis_buf body;

    (void)max_body_bytes;
    if (kis_refuse_strange_origin(exchange, health->rules))
        return false;
    if (!kis_str_eq(request->path, KIS_STR("/")) &&
        !kis_str_eq(request->path, KIS_STR("/status"))) {
        kis_answer_plainly(exchange, 404, KIS_STR("404 page not found\n"));
        return false;
    }
    kis_buf_init_fixed(&body, room, sizeof(room));
    kis_health_json(health, kis_now_ns(), &body);
    answer_json(exchange, atomic_load(&health->is_available) ? 200 : 503, kis_buf_str(&body));
    return false;
}

kis_handler kis_health_handler(kis_health *health)
{
    return (kis_handler){ .on_head = health_on_head, .user = health };
}
