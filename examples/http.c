/* http.c - see http.h. */
#include "http.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* ---- carrier ---- */

static bool header_get(void *user, const char *name, size_t index, kis_str *out)
{
    http_message *message = user;

    for (size_t i = 0; i < message->header_count; i++)
        if (strcasecmp(message->headers[i].name, name) == 0 && index-- == 0) {
            out->ptr = message->headers[i].value;
            out->len = strlen(message->headers[i].value);
            return true;
        }
    return false;
}

static void header_set(void *user, const char *name, kis_str value)
{
    http_set_header(user, name, value.ptr, value.len);
}

kis_carrier http_carrier(http_message *message)
{
    return (kis_carrier){ .get_all = header_get, .set = header_set, .user = message };
}

void http_set_header(http_message *message, const char *name, const char *value, size_t len)
{
    http_header *header = &message->headers[message->header_count];

    if (message->header_count == HTTP_HEADERS_MAX || len >= sizeof(header->value))
        return;
    snprintf(header->name, sizeof(header->name), "%s", name);
    memcpy(header->value, value, len);
    header->value[len] = 0;
    message->header_count++;
}

/* ---- messages on a socket ---- */

/* Reads a whole message into text; answers where its body begins, 0 when there is none to be
 * had. */
static size_t read_message(int fd, char *text, size_t size)
{
    size_t len = 0, body = 0, want = size;
    char *end, *length;

    while (len < want && len + 1 < size) {
        ssize_t got = recv(fd, text + len, size - 1 - len, 0);
        if (got <= 0)
            break;
        len += (size_t)got;
        text[len] = 0;
        end = strstr(text, "\r\n\r\n");
        if (!body && end) {
            body = (size_t)(end + 4 - text);
            length = strcasestr(text, "\r\nContent-Length:");
            want = body + (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
        }
    }
    text[len] = 0;
    return body;
}

static void parse_headers(http_message *message, char *text, size_t body)
{
    char *line = strstr(text, "\r\n");

    message->header_count = 0;
    while (line && line + 2 < text + body - 2) {
        char *name = line + 2, *colon = strchr(name, ':'), *end = strstr(name, "\r\n");
        if (!colon || !end || colon > end)
            break;
        *colon = 0;
        for (colon++; *colon == ' '; colon++)
            ;
        http_set_header(message, name, colon, (size_t)(end - colon));
        line = end;
    }
    snprintf(message->body, sizeof(message->body), "%s", text + body);
}

static bool send_message(int fd, const char *first_line, const http_message *message)
{
    char text[2 * HTTP_BYTES_MAX];
    size_t
        len = (size_t)snprintf(
            text, sizeof(text),
            "%s\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %zu\r\n",
            first_line, strlen(message->body)),
        sent = 0;

    for (size_t i = 0; i < message->header_count && len < sizeof(text); i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s: %s\r\n",
                                message->headers[i].name, message->headers[i].value);
    if (len < sizeof(text))
        len += (size_t)snprintf(text + len, sizeof(text) - len, "\r\n%s", message->body);
    if (len >= sizeof(text))
        return false;
    while (sent < len) {
        ssize_t n = send(fd, text + sent, len - sent, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        sent += (size_t)n;
    }
    return true;
}

/* ---- server ---- */

static volatile sig_atomic_t is_ended;
static void end(int signal)
{
    (void)signal;
    is_ended = 1;
}

typedef struct connection {
    int fd;
    void (*handle)(http_message *request, http_message *response);
} connection;

static void *serve_one(void *user)
{
    connection *c = user;
    static _Thread_local char text[2 * HTTP_BYTES_MAX];
    static _Thread_local http_message request, response;
    char first_line[64];
    size_t body = read_message(c->fd, text, sizeof(text));

    memset(&request, 0, sizeof(request));
    memset(&response, 0, sizeof(response));
    response.status = 200;
    if (body && sscanf(text, "%7s %255s", request.method, request.path) == 2) {
        parse_headers(&request, text, body);
        c->handle(&request, &response);
        snprintf(first_line, sizeof(first_line), "HTTP/1.1 %d .", response.status);
        send_message(c->fd, first_line, &response);
    }
    close(c->fd);
    free(c);
    return NULL;
}

/* Port 0 becomes the one that was free. */
static int listen_on(int *port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)*port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 128) ||
        getsockname(fd, (struct sockaddr *)&address, &len)) {
        close(fd);
        return -1;
    }
    *port = ntohs(address.sin_port);
    return fd;
}

bool http_serve(const char *name, int port,
                void (*handle)(http_message *request, http_message *response))
{
    struct sigaction action = { .sa_handler = end }; /* no SA_RESTART: accept returns */
    int listener = listen_on(&port), fd;
    pthread_attr_t detached;
    pthread_t thread;

    if (listener < 0) {
        fprintf(stderr, "%s: cannot listen on 127.0.0.1:%d\n", name, port);
        return false;
    }
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    fprintf(stderr, "%s: http://127.0.0.1:%d\n", name, port);
    while (!is_ended) {
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        connection *c = fd < 0 ? NULL : malloc(sizeof(*c));
        if (!c)
            continue;
        *c = (connection){ fd, handle };
        if (pthread_create(&thread, &detached, serve_one, c)) {
            close(fd);
            free(c);
        }
    }
    pthread_attr_destroy(&detached);
    close(listener);
    return true;
}

/* ---- client ---- */

static int connect_to(const char *url)
{
    char host[128], port[16] = "80";
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
    struct timeval limit = { .tv_sec = 5 };
    int fd = -1;

    if (sscanf(url, "http://%127[^:/]:%15[0-9]", host, port) < 1 ||
        getaddrinfo(host, port, &hints, &found))
        return -1;
    for (struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen)) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fd;
}

bool http_call(const char *url, http_message *request, http_message *response)
{
    char first_line[320], text[2 * HTTP_BYTES_MAX];
    int fd = connect_to(url);
    size_t body;

    memset(response, 0, sizeof(*response));
    if (fd < 0) {
        snprintf(response->body, sizeof(response->body), "cannot connect to %s", url);
        return false;
    }
    snprintf(first_line, sizeof(first_line), "%s %s HTTP/1.1\r\nHost: localhost", request->method,
             request->path);
    body = send_message(fd, first_line, request) ? read_message(fd, text, sizeof(text)) : 0;
    close(fd);
    if (!body || sscanf(text, "HTTP/1.1 %d", &response->status) != 1) {
        snprintf(response->body, sizeof(response->body), "no answer from %s", url);
        return false;
    }
    parse_headers(response, text, body);
    return true;
}

bool asks_for_help(int argc, char **argv, const char *usage)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            puts(usage);
            return true;
        }
    return false;
}

const char *option(int argc, char **argv, const char *name, const char *fallback)
{
    for (int i = 1; i < argc; i++) {
        size_t len = strlen(name);
        if (strncmp(argv[i], "--", 2) || strncmp(argv[i] + 2, name, len))
            continue;
        if (argv[i][2 + len] == '=')
            return argv[i] + 3 + len;
        if (!argv[i][2 + len] && i + 1 < argc)
            return argv[i + 1];
    }
    return fallback;
}
