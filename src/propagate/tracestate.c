/* tracestate.c - what vendors say of a trace.
 *
 *     list   = member *31( OWS "," OWS member )        a member may be empty
 *     member = key "=" value
 *     key    = ( a-z / 0-9 ) *255( a-z / 0-9 / "_" / "-" / "*" / "/" / "@" )
 *     value  = *255( 0x20-0x7e but "," and "=" ), the last one no space
 */
#include "propagate/tracestate.h"

static bool is_key_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool kis_tracestate_key_is_valid(kis_str key)
{
    if (key.len == 0 || key.len > KIS_TRACESTATE_PART_MAX || !is_key_start(key.ptr[0]))
        return false;
    for (size_t i = 1; i < key.len; i++) {
        char c = key.ptr[i];
        if (!is_key_start(c) && c != '_' && c != '-' && c != '*' && c != '/' && c != '@')
            return false;
    }
    return true;
}

bool kis_tracestate_value_is_valid(kis_str value)
{
    if (value.len == 0 || value.len > KIS_TRACESTATE_PART_MAX || value.ptr[value.len - 1] == ' ')
        return false;
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] < 0x20 || value.ptr[i] > 0x7e || value.ptr[i] == ',' ||
            value.ptr[i] == '=')
            return false;
    return true;
}

static uint32_t position_of(const kis_tracestate *state, kis_str key)
{
    uint32_t i = 0;
    while (i < state->count && !kis_str_eq(state->members[i].key, key))
        i++;
    return i;
}

kis_err kis_tracestate_parse(kis_str header, kis_tracestate *out)
{
    kis_tracestate state;
    uint32_t members = 0;

    state.count = 0;
    while (header.ptr && header.len) {
        kis_str value = kis_str_trim(kis_str_cut(&header, ','));
        if (value.len == 0)
            continue;
        if (++members > KIS_TRACESTATE_MEMBERS_MAX)
            return KIS_ERR_LIMIT;
        kis_str key = kis_str_cut(&value, '=');
        if (!kis_tracestate_key_is_valid(key) || !kis_tracestate_value_is_valid(value))
            return KIS_ERR_SYNTAX;
        if (position_of(&state, key) == state.count)
            state.members[state.count++] = (kis_tracestate_member){ key, value };
    }
    memcpy(out->members, state.members, state.count * sizeof state.members[0]);
    out->count = state.count;
    return KIS_OK;
}

bool kis_tracestate_remove(kis_tracestate *state, kis_str key)
{
    uint32_t at = position_of(state, key);
    if (at == state->count)
        return false;
    state->count--;
    memmove(&state->members[at], &state->members[at + 1],
            (state->count - at) * sizeof state->members[0]);
    return true;
}

kis_err kis_tracestate_set(kis_tracestate *state, kis_str key, kis_str value)
{
    if (!kis_tracestate_key_is_valid(key) || !kis_tracestate_value_is_valid(value))
        return KIS_ERR_SYNTAX;
    kis_tracestate_remove(state, key);
    uint32_t kept = KIS_MIN(state->count, KIS_TRACESTATE_MEMBERS_MAX - 1);
    memmove(&state->members[1], &state->members[0], kept * sizeof state->members[0]);
    state->members[0] = (kis_tracestate_member){ key, value };
    state->count = kept + 1;
    return KIS_OK;
}

bool kis_tracestate_get(const kis_tracestate *state, kis_str key, kis_str *out)
{
    uint32_t at = position_of(state, key);
    if (at == state->count)
        return false;
    *out = state->members[at].value;
    return true;
}

size_t kis_tracestate_format(const kis_tracestate *state, char *out, size_t size)
{
    size_t len = 0;
    for (uint32_t i = 0; i < state->count; i++) {
        const kis_tracestate_member *m = &state->members[i];
        size_t need = (i > 0) + m->key.len + 1 + m->value.len;
        if (need > size - len)
            break;
        if (i > 0)
            out[len++] = ',';
        memcpy(out + len, m->key.ptr, m->key.len);
        len += m->key.len;
        out[len++] = '=';
        memcpy(out + len, m->value.ptr, m->value.len);
        len += m->value.len;
    }
    return len;
}
