/* ports.c - see ports.h. */
#include "serve/ports.h"

#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/num.h"
#include "net/tcp.h"
#include "serve/host_check.h"

static bool is_off(const kis_port *port)
{
    return kis_str_eq(port->address, KIS_STR("off"));
}

/* As it is once it is resolved: "localhost:80" is "127.0.0.1:80". */
static kis_str address_text(kis_str address, char room[KIS_ADDRESS_TEXT_MAX])
{
    kis_address parsed;
    kis_diag nothing;

    if (kis_address_parse(address, &parsed, &nothing) != KIS_OK)
        return KIS_STR_NONE;
    kis_address_format(&parsed, room);
    return kis_str_from_c(room);
}

/* A listener of every host takes the port from that other one: "::" is of both families here. */
static bool covers(kis_str every, kis_str host)
{
    bool is_ipv6 = kis_str_find_char(host, ':') != KIS_STR_NPOS;

    return kis_str_eq(every, KIS_STR("::")) || (kis_str_eq(every, KIS_STR("0.0.0.0")) && !is_ipv6);
}

static kis_str port_of(kis_str address)
{
    size_t colon = address.len;

    while (colon > 0 && address.ptr[colon - 1] != ':')
        colon--;
    return kis_str_slice(address, colon, address.len);
}

/* Both cannot be bound: they are the same, or one is of every address and the port is the same. */
static bool exclude_each_other(kis_str a, kis_str b)
{
    char room_a[KIS_ADDRESS_TEXT_MAX], room_b[KIS_ADDRESS_TEXT_MAX];

    if (kis_str_starts(a, KIS_STR("unix:")) || kis_str_starts(b, KIS_STR("unix:")))
        return kis_str_eq(a, b);
    kis_str text_a = address_text(a, room_a), text_b = address_text(b, room_b);
    if (!text_a.len || !text_b.len || kis_str_eq(port_of(text_a), KIS_STR("0")))
        return false;
    if (kis_str_eq(text_a, text_b))
        return true;
    kis_str host_a = kis_host_of_address(text_a), host_b = kis_host_of_address(text_b);
    return kis_str_eq(port_of(text_a), port_of(text_b)) &&
           (covers(host_a, host_b) || covers(host_b, host_a));
}

static const kis_port *find_rival(const kis_port *ports, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (!is_off(&ports[i]) && exclude_each_other(ports[i].address, ports[at].address))
            return &ports[i];
    return NULL;
}

kis_err kis_port_explain(const kis_port *port, kis_err err, kis_diag *diag)
{
    const kis_port *rival = port->rival;

    if (rival)
        return kis_diag_set(diag, KIS_ERR_RANGE,
                            KIS_FMT " is wanted twice: by %s (--%s) and by %s (--%s); choose "
                                    "another for one of them",
                            KIS_ARG(port->address), rival->label, rival->flag, port->label,
                            port->flag);
    if (err == KIS_ERR_RANGE)
        return kis_diag_set(diag, err,
                            "address in use: " KIS_FMT
                            " (%s): another program listens there; choose another with --%s",
                            KIS_ARG(port->address), port->label, port->flag);
    return kis_diag_in(diag, err, "--%s", port->is_told ? port->flag : "listen");
}

static kis_err say_all(kis_port *const *taken, size_t count, kis_diag *diag)
{
    char names_room[192], flags_room[96];
    kis_buf names, flags;

    if (count == 1)
        return kis_port_explain(taken[0], KIS_ERR_RANGE, diag);
    kis_buf_init_fixed(&names, names_room, sizeof(names_room));
    kis_buf_init_fixed(&flags, flags_room, sizeof(flags_room));
    for (size_t i = 0; i < count; i++) {
        kis_buf_add_fmt(&names, "%s" KIS_FMT " (%s)", i ? ", " : "", KIS_ARG(taken[i]->address),
                        taken[i]->label);
        kis_buf_add_fmt(&flags, "%s--%s", i ? ", " : "", taken[i]->flag);
    }
    if (names.err || flags.err) /* long names: the first one is enough */
        return kis_port_explain(taken[0], KIS_ERR_RANGE, diag);
    return kis_diag_set(diag, KIS_ERR_RANGE,
                        "address in use: " KIS_FMT
                        ": other programs listen there; choose others with " KIS_FMT,
                        KIS_ARG(kis_buf_str(&names)), KIS_ARG(kis_buf_str(&flags)));
}

static kis_err bind_one(kis_port *port, kis_diag *diag)
{
    kis_address address, bound;

    kis_err err = kis_address_parse(port->address, &address, diag);
    if (err)
        return err;
    err = kis_tcp_listen(&address, &port->fd, &bound, diag);
    return err ? kis_diag_in(diag, err, KIS_FMT, KIS_ARG(port->address)) : KIS_OK;
}

static void let_go(kis_port *port)
{
    char path[KIS_ADDRESS_TEXT_MAX + 64];
    kis_str name = port->address;

    if (port->fd < 0)
        return;
    close(port->fd);
    port->fd = -1;
    if (!kis_str_starts(name, KIS_STR("unix:")))
        return;
    name = kis_str_slice(name, 5 + 2 * kis_str_starts(name, KIS_STR("unix://")), name.len);
    if (kis_str_to_c(name, path, sizeof(path)))
        unlink(path);
}

/* All are held until the last one is tried: so two of ours that want the same meet here. */
static kis_err try_all(kis_port *ports, size_t count, kis_port **taken, size_t *out_taken,
                       kis_diag *diag)
{
    *out_taken = 0;
    for (size_t i = 0; i < count; i++) {
        kis_port *port = &ports[i];
        if (is_off(port))
            continue;
        port->rival = find_rival(ports, i);
        kis_err err = port->rival ? KIS_ERR_RANGE : bind_one(port, diag);
        if (!err || !port->is_needed)
            continue;
        if (port->rival || err != KIS_ERR_RANGE)
            return kis_port_explain(port, err, diag);
        taken[(*out_taken)++] = port;
    }
    return KIS_OK;
}

kis_err kis_ports_try(kis_port *ports, size_t count, kis_diag *diag)
{
    kis_port *taken[8];
    size_t taken_count;
    kis_err err;

    if (count > KIS_COUNT_OF(taken))
        return kis_diag_set(diag, KIS_ERR_LIMIT, "too many listeners");
    for (size_t i = 0; i < count; i++)
        ports[i].fd = -1;
    err = try_all(ports, count, taken, &taken_count, diag);
    for (size_t i = 0; i < count; i++)
        let_go(&ports[i]);
    return err || !taken_count ? err : say_all(taken, taken_count, diag);
}
