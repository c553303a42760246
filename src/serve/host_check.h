/* host_check.h - who may ask the query listener, by the names a browser says: Host, and Origin
 * where there is one.
 *
 * A page of evil.example can make its own name point at 127.0.0.1 and then read what a server there
 * answers (DNS rebinding). What it cannot do is make the browser send another Host. So Host must be
 * a loopback name, an address (rebinding needs a name), the listener's own, or one that was
 * allowed.
 */
#ifndef KIS_SERVE_HOST_CHECK_H
#define KIS_SERVE_HOST_CHECK_H

#include "base/str.h"

#define KIS_HOST_NAMES_MAX 64

typedef struct kis_host_rules {
    kis_str listen_host;               /* "127.0.0.1", "::1", "0.0.0.0", "" for all */
    kis_str hosts[KIS_HOST_NAMES_MAX]; /* --allow-host: "jaeger", ".example.com" for all below, "*"
                                          for any */
    size_t host_count;
    kis_str origins[KIS_HOST_NAMES_MAX]; /* --allow-origin: "https://a.example", "*", or a star for
                                            the first label */
    size_t origin_count;
} kis_host_rules;

/** Splits "a, b,c" into `out`; false: more than KIS_HOST_NAMES_MAX. Borrows from `list`. */
bool kis_host_names_split(kis_str list, kis_str out[KIS_HOST_NAMES_MAX], size_t *out_count);

/** Host header or :authority, with or without a port. Empty passes: no browser leaves it out. */
bool kis_host_is_allowed(const kis_host_rules *rules, kis_str authority);
/** Empty passes (not a cross-origin request), so does the origin that is the server's own by its
 * Host. */
bool kis_origin_is_allowed(const kis_host_rules *rules, kis_str origin, kis_str authority);

/** False: a rule of --allow-host or --allow-origin that no request can fit, such as a URL for a
 * name, or a name for an origin. */
bool kis_host_rule_is_usable(kis_str rule);
bool kis_origin_rule_is_usable(kis_str rule);

/** True for localhost, *.localhost, 127.0.0.0/8, ::1; without port or brackets. */
bool kis_host_is_loopback(kis_str host);
/** The host of "host:port", "[::1]:port", ":port" (empty). */
kis_str kis_host_of_address(kis_str address);

#endif
