/* api.c - what the versions of the query API share: failing, and saying that an answer is partial.
 */
#include "serve/api.h"

#include "base/diag.h"
#include "base/fmt.h"

static int status_of(kis_err err)
{
    switch (err) {
    case KIS_ERR_SYNTAX:
    case KIS_ERR_RANGE:
    case KIS_ERR_LIMIT:
    case KIS_ERR_MORE:
        return 400;
    case KIS_ERR_IO:
        return 500;
    default:
        return kis_err_http_status(err);
    }
}

void kis_api_fail(kis_api_call *call, kis_api_error_fn *form, kis_err err, const kis_diag *diag)
{
    kis_str message =
        diag && diag->text[0] ? kis_str_from_c(diag->text) : kis_str_from_c(kis_err_text(err));

    kis_fmt(call->failure, sizeof(call->failure), KIS_FMT, KIS_ARG(message));
    if (kis_answer_restart(call->out))
        form(call->out, status_of(err), message);
}

void kis_api_note_partial(kis_api_call *call, const kis_answer *answer)
{
    if (!answer->is_partial || call->notice[0])
        return;
    kis_fmt(call->notice, sizeof(call->notice), "this answer is not complete: %s",
            answer->why ? answer->why : "something could not be read");
    if (!call->out->has_begun)
        kis_answer_add_header(call->out, KIS_STR("x-kiseki-notice"), kis_str_from_c(call->notice));
}

kis_err kis_api_judge_absence(const kis_api_call *call, kis_err err, kis_diag *diag)
{
    if (err != KIS_ERR_NOT_FOUND || !call->notice[0])
        return err;
    return kis_diag_set(diag, KIS_ERR_CORRUPT, "the trace was not found, and %s", call->notice);
}

kis_request kis_api_streaming(const kis_api_call *call)
{
    kis_request request = call->request;
    request.deadline_ns = call->out->deadline_ns;
    return request;
}
