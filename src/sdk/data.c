/* data.c - a finished span in the public form, for processors and exporters;
 * OTLP bytes of a batch. */
#include "sdk/data.h"

#include "wire/otlp.h"

static kis_attr_data attr_data(kis_attrs attrs, uint32_t count)
{
    return (kis_attr_data){ attrs.ptr, attrs.len, attrs.tag, count };
}

void kis_span_data_of(const kis_span_view *v, const kis_scope_view *scope,
                      const kis_resource_view *resource, uint32_t resource_attr_count,
                      kis_span_data *out)
{
    *out = (kis_span_data){
        .context = { v->trace_id, v->span_id, (uint8_t)v->flags, false, v->trace_state },
        .parent_id = v->parent_id,
        .is_parent_remote = (v->flags & KIS_OTLP_FLAG_IS_REMOTE) != 0,
        .name = v->name,
        .kind = v->kind ? (kis_span_kind)(v->kind - 1) : KIS_SPAN_KIND_INTERNAL,
        .start_unix_ns = v->start_unix_ns,
        .end_unix_ns = v->end_unix_ns,
        .status = (kis_status_code)v->status,
        .status_message = v->status_message,
        .attrs = attr_data(v->attrs, v->attr_count),
        .event_count = v->event_count,
        .link_count = v->link_count,
        .dropped_attrs = v->dropped_attrs,
        .dropped_events = v->dropped_events,
        .dropped_links = v->dropped_links,
        .scope_name = scope->name,
        .scope_version = scope->version,
        .scope_schema_url = scope->schema_url,
        .scope_attrs = attr_data(scope->attrs, kis_attrs_count(scope->attrs)),
        .resource = attr_data(resource->attrs, resource_attr_count),
        ._view = v,
    };
}

static void read_value(const kis_attr_view *attr, kis_attr_value *out)
{
    static const kis_attr_type types[] = { KIS_ATTR_NULL, KIS_ATTR_TEXT,   KIS_ATTR_BOOL,
                                           KIS_ATTR_INT,  KIS_ATTR_DOUBLE, KIS_ATTR_LIST,
                                           KIS_ATTR_MAP,  KIS_ATTR_BYTES };
    kis_value_view value = kis_value_read(attr->value_bytes);

    *out = (kis_attr_value){ .key = attr->key, .type = types[value.kind] };
    switch (value.kind) {
    case KIS_VALUE_STR:
        out->text = value.str;
        break;
    case KIS_VALUE_BOOL:
        out->boolean = value.boolean;
        break;
    case KIS_VALUE_INT:
        out->integer = value.integer;
        break;
    case KIS_VALUE_DOUBLE:
        out->number = value.number;
        break;
    case KIS_VALUE_BYTES:
        out->text = kis_str_of_bytes(value.bytes);
        break;
    case KIS_VALUE_ARRAY:
    case KIS_VALUE_KVLIST:
        out->text = kis_str_of_bytes(attr->value_bytes);
        break;
    case KIS_VALUE_NONE:
        break;
    }
}

bool kis_attr_data_next(const kis_attr_data *attrs, size_t *at, kis_attr_value *out)
{
    kis_attr_cursor c = { { attrs->_bytes + *at, attrs->_bytes + attrs->_size }, attrs->_tag };
    kis_attr_view attr;

    if (*at > attrs->_size || !kis_attrs_next(&c, &attr))
        return false;
    *at = (size_t)(c.rest.at - attrs->_bytes);
    read_value(&attr, out);
    return true;
}

bool kis_attr_data_find(const kis_attr_data *attrs, kis_str key, kis_attr_value *out)
{
    kis_attr_value value;

    for (size_t at = 0; kis_attr_data_next(attrs, &at, &value);)
        if (kis_str_eq(value.key, key)) {
            *out = value;
            return true;
        }
    return false;
}

bool kis_span_data_next_event(const kis_span_data *span, size_t *at, kis_event_data *out)
{
    const kis_span_view *view = span->_view;
    kis_cursor c = { view->events.ptr + *at, view->events.ptr + view->events.len };
    kis_event_view event;

    if (*at > view->events.len || !view->events.len || !kis_event_next(&c, &event))
        return false;
    *at = (size_t)(c.at - view->events.ptr);
    *out = (kis_event_data){ event.time_unix_ns, event.name,
                             attr_data(event.attrs, kis_attrs_count(event.attrs)),
                             event.dropped_attrs };
    return true;
}

bool kis_span_data_next_link(const kis_span_data *span, size_t *at, kis_link_data *out)
{
    const kis_span_view *view = span->_view;
    kis_cursor c = { view->links.ptr + *at, view->links.ptr + view->links.len };
    kis_link_view link;

    if (*at > view->links.len || !view->links.len || !kis_link_next(&c, &link))
        return false;
    *at = (size_t)(c.at - view->links.ptr);
    *out = (kis_link_data){ { link.trace_id, link.span_id, (uint8_t)link.flags,
                              (link.flags & KIS_OTLP_FLAG_IS_REMOTE) != 0, link.trace_state },
                            attr_data(link.attrs, kis_attrs_count(link.attrs)),
                            link.dropped_attrs };
    return true;
}

bool kis_batch_span_data(const kis_batch *batch, size_t index, kis_span_data *out)
{
    for (uint32_t i = 0; i < batch->scope_count; i++) {
        const kis_scope_view *scope = &batch->scopes[i];
        if (index - scope->first_span < scope->span_count) {
            const kis_resource_view *resource = kis_batch_resource(batch, scope);
            kis_span_data_of(&batch->spans[index], scope, resource,
                             kis_attrs_count(resource->attrs), out);
            return true;
        }
    }
    return false;
}

bool kis_export_batch_next(const kis_export_batch *batch, size_t *at, kis_span_data *out)
{
    return kis_batch_span_data(batch->batch, (*at)++, out);
}
size_t kis_export_batch_count(const kis_export_batch *batch)
{
    return batch->batch->span_count;
}

kis_err kis_otlp_format(const kis_export_batch *batch, kis_otlp_form form, const kis_alloc *alloc,
                        kis_bytes *out, size_t *out_size)
{
    kis_buf buf;

    kis_buf_init(&buf, alloc, KIS_REQUEST_BYTES_MAX);
    if (form == KIS_OTLP_JSON)
        kis_otlp_json_encode(batch->batch, &buf);
    else
        kis_otlp_encode(batch->batch, &buf);
    if (buf.err) {
        kis_buf_done(&buf);
        return buf.err;
    }
    *out = kis_buf_bytes(&buf);
    *out_size = buf.cap;
    return KIS_OK;
}
