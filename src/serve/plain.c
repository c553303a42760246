/* plain.c - see plain.h. */
#include "serve/plain.h"

void kis_answer_plainly(kis_exchange *exchange, int status, kis_str text)
{
    const kis_header headers[] = {
        { KIS_STR("content-type"), KIS_STR("text/plain; charset=utf-8") },
        { KIS_STR("x-content-type-options"), KIS_STR("nosniff") },
        { KIS_STR("allow"), KIS_STR("GET, HEAD") },
    };
    kis_answer_head head = { .status = status,
                             .headers = headers,
                             .header_count = status == 405 ? 3 : 2 };
    kis_exchange_answer(exchange, &head, kis_bytes_of_str(text));
}

bool kis_refuse_strange_origin(kis_exchange *exchange, const kis_host_rules *rules)
{
    const kis_request_head *request = kis_exchange_head(exchange);

    if (kis_origin_is_allowed(rules, kis_request_header(request, "origin"), request->authority))
        return false;
    kis_answer_plainly(exchange, 403,
                       KIS_STR("Pages of this origin may not ask this server. Start kiseki with "
                               "--allow-origin ORIGIN to allow them.\n"));
    return true;
}
