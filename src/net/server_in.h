/* server_in.h - what connections ask of their server. */
#ifndef KIS_NET_SERVER_IN_H
#define KIS_NET_SERVER_IN_H

#include "net/conn.h"

/** A connection's memory is gone: it counts no more, and a stop that waits is told. */
void kis_server_conn_gone(kis_home *home);

#endif
