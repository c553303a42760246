/* http.h - just enough HTTP/1.1 for three services to talk to each other: one request a connection,
 * small messages. Not for real use.
 *
 * The headers of a message are a carrier: kis_context_extract and kis_context_inject read and write
 * them through http_carrier.
 */
#ifndef EXAMPLES_HTTP_H
#define EXAMPLES_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include <kiseki/context_carrier.h>

#define HTTP_HEADERS_MAX 32
#define HTTP_BYTES_MAX   8192

typedef struct http_header {
    char name[64], value[1024];
} http_header;

typedef struct http_message {
    char method[8], path[256];
    int status;
    http_header headers[HTTP_HEADERS_MAX];
    size_t header_count;
    char body[HTTP_BYTES_MAX];
} http_message;

/** The headers of a message as a carrier; lives as long as the message. */
kis_carrier http_carrier(http_message *message);

void http_set_header(http_message *message, const char *name, const char *value, size_t len);

/** Listens on 127.0.0.1:port (0: a free one) and calls `handle` on a thread of its own for each
 * request, until SIGINT or SIGTERM. Where it listens goes to stderr: "name: http://127.0.0.1:8081".
 * False: the port cannot be had. */
bool http_serve(const char *name, int port,
                void (*handle)(http_message *request, http_message *response));

/** Sends `request` to http://host:port and reads the answer. False, with words in response->body:
 * no connection, or no answer. */
bool http_call(const char *url, http_message *request, http_message *response);

/** Prints `usage` when --help is among the words: the program then ends. */
bool asks_for_help(int argc, char **argv, const char *usage);

/** The value behind `--name` on the command line, or `fallback`. */
const char *option(int argc, char **argv, const char *name, const char *fallback);

#endif
