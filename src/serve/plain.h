/* plain.h - answers of one sentence, and the refusal that all listeners of serve share. (The OTLP
 * listeners answer as OTLP says: receive/.) */
#ifndef KIS_SERVE_PLAIN_H
#define KIS_SERVE_PLAIN_H

#include "net/server.h"
#include "serve/host_check.h"

/** text/plain, not to be taken for anything else; 405 comes with what is allowed: GET and HEAD. */
void kis_answer_plainly(kis_exchange *exchange, int status, kis_str text);

/** A page of a strange origin is answered 403: true, and the exchange is over. */
bool kis_refuse_strange_origin(kis_exchange *exchange, const kis_host_rules *rules);

#endif
