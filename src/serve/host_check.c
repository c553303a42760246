/* host_check.c - see host_check.h. */
#include "serve/host_check.h"

#include "base/num.h"

kis_str kis_host_of_address(kis_str address)
{
    if (address.len && address.ptr[0] == '[') {
        size_t close = kis_str_find_char(address, ']');
        return close == KIS_STR_NPOS ? KIS_STR_NONE : kis_str_slice(address, 1, close - 1);
    }
    size_t colon = kis_str_find_char(address, ':');
    if (colon != KIS_STR_NPOS &&
        kis_str_find_char(kis_str_slice(address, colon + 1, address.len), ':') != KIS_STR_NPOS)
        return address; /* a bare IPv6 address */
    return colon == KIS_STR_NPOS ? address : kis_str_slice(address, 0, colon);
}

static bool is_ipv4(kis_str host, uint64_t parts[4])
{
    int count = 0;

    for (kis_str rest = host; rest.ptr && count < 5; count++) {
        kis_str part = kis_str_cut(&rest, '.');
        uint64_t number;
        if (count == 4 || part.len == 0 || part.len > 3 || kis_u64_parse(part, &number) ||
            number > 255)
            return false;
        parts[count] = number;
    }
    return count == 4;
}

/* Good enough to tell an address from a name: names have no colon. */
static bool is_ipv6(kis_str host)
{
    bool has_colon = false;

    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        bool is_hex = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
        if (c == ':')
            has_colon = true;
        else if (!is_hex && c != '.')
            return false;
    }
    return has_colon;
}

bool kis_host_is_loopback(kis_str host)
{
    uint64_t parts[4];

    if (is_ipv4(host, parts))
        return parts[0] == 127;
    return kis_str_eq(host, KIS_STR("::1")) || kis_str_eq_nocase(host, KIS_STR("localhost")) ||
           (host.len > 10 &&
            kis_str_eq_nocase(kis_str_slice(host, host.len - 10, 10), KIS_STR(".localhost")));
}

static bool name_matches(kis_str rule, kis_str host)
{
    if (kis_str_eq(rule, KIS_STR("*")) || kis_str_eq_nocase(rule, host))
        return true;
    return rule.len > 1 && rule.ptr[0] == '.' && host.len > rule.len &&
           kis_str_eq_nocase(kis_str_slice(host, host.len - rule.len, rule.len), rule);
}

bool kis_host_is_allowed(const kis_host_rules *rules, kis_str authority)
{
    kis_str host = kis_host_of_address(authority);
    uint64_t parts[4];

    if (host.len && host.ptr[host.len - 1] == '.')
        host.len--; /* "localhost." is localhost */
    if (host.len == 0)
        return authority.len == 0;
    if (kis_host_is_loopback(host) || is_ipv4(host, parts) || is_ipv6(host) ||
        kis_str_eq_nocase(host, rules->listen_host))
        return true;
    for (size_t i = 0; i < rules->host_count; i++)
        if (name_matches(rules->hosts[i], host))
            return true;
    return false;
}

/* A star as the first label allows any name below, the port being part of it. */
static bool origin_matches(kis_str rule, kis_str origin)
{
    size_t star = kis_str_find(rule, KIS_STR("://*."));

    if (kis_str_eq(rule, KIS_STR("*")) || kis_str_eq_nocase(rule, origin))
        return true;
    if (star == KIS_STR_NPOS)
        return false;
    kis_str scheme = kis_str_slice(rule, 0, star + 3),
            tail = kis_str_slice(rule, star + 4, rule.len);
    return origin.len > scheme.len + tail.len &&
           kis_str_eq_nocase(kis_str_slice(origin, 0, scheme.len), scheme) &&
           kis_str_eq_nocase(kis_str_slice(origin, origin.len - tail.len, tail.len), tail);
}

bool kis_origin_is_allowed(const kis_host_rules *rules, kis_str origin, kis_str authority)
{
    size_t behind_scheme = kis_str_find(origin, KIS_STR("://"));

    if (origin.len == 0)
        return true;
    if (behind_scheme != KIS_STR_NPOS &&
        kis_str_eq_nocase(kis_str_slice(origin, behind_scheme + 3, origin.len), authority))
        return true;
    for (size_t i = 0; i < rules->origin_count; i++)
        if (origin_matches(rules->origins[i], origin))
            return true;
    return false;
}

static bool is_letter_or_digit(char c)
{
    return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9');
}

/* A name as a browser sends it: no port, no dot behind it, no letter that is not ASCII. */
static bool is_name(kis_str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!is_letter_or_digit(name.ptr[i]) && name.ptr[i] != '-' && name.ptr[i] != '_' &&
            name.ptr[i] != '.')
            return false;
    return name.len && name.ptr[0] != '.' && name.ptr[name.len - 1] != '.';
}

bool kis_host_rule_is_usable(kis_str rule)
{
    if (kis_str_eq(rule, KIS_STR("*")) || is_ipv6(rule))
        return true;
    return is_name(kis_str_slice(rule, kis_str_starts(rule, KIS_STR(".")), rule.len));
}

/* "https://a.example:8443": nothing stands behind the port. Where there is a star it may stand for
 * much. */
bool kis_origin_rule_is_usable(kis_str rule)
{
    size_t colon = kis_str_find(rule, KIS_STR("://"));
    uint64_t port;

    if (kis_str_find_char(rule, '*') != KIS_STR_NPOS || kis_str_eq(rule, KIS_STR("null")))
        return true;
    if (colon == KIS_STR_NPOS || colon == 0)
        return false;
    kis_str authority = kis_str_slice(rule, colon + 3, rule.len),
            host = kis_host_of_address(authority);
    bool has_brackets = kis_str_starts(authority, KIS_STR("["));
    kis_str behind = kis_str_slice(authority, host.len + 2u * has_brackets, authority.len);
    return (has_brackets ? is_ipv6(host) : is_name(host)) &&
           (behind.len == 0 ||
            (behind.ptr[0] == ':' &&
             kis_u64_parse(kis_str_slice(behind, 1, behind.len), &port) == KIS_OK &&
             port <= 65535));
}

bool kis_host_names_split(kis_str list, kis_str out[KIS_HOST_NAMES_MAX], size_t *out_count)
{
    size_t count = 0;

    for (kis_str rest = list; rest.len;) {
        kis_str name = kis_str_trim(kis_str_cut(&rest, ','));
        if (name.len == 0)
            continue;
        if (count == KIS_HOST_NAMES_MAX)
            return false;
        out[count++] = name;
    }
    *out_count = count;
    return true;
}
