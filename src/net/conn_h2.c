/* conn_h2.c - HTTP/2 on a server's connection. */
#include "net/conn.h"
bool kis_h2_open(kis_conn *conn) { (void)conn; return false; }
void kis_h2_input(kis_conn *conn, kis_bytes in) { (void)conn; (void)in; }
void kis_h2_fill(kis_conn *conn) { (void)conn; }
void kis_h2_timeout(kis_conn *conn) { (void)conn; }
void kis_h2_answer(kis_exchange *exchange, const kis_answer_head *head, kis_bytes body) { (void)exchange; (void)head; (void)body; }
void kis_h2_begin(kis_exchange *exchange, const kis_answer_head *head) { (void)exchange; (void)head; }
void kis_h2_pull(kis_exchange *exchange) { (void)exchange; }
void kis_h2_drain(kis_conn *conn) { (void)conn; }
void kis_h2_gone(kis_conn *conn) { (void)conn; }
uint32_t kis_h2_open_exchanges(const kis_conn *conn) { (void)conn; return 0; }
