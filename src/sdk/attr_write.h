/* attr_write.h - attributes of the API become OTLP KeyValue fields in a slot's block.
 * See attr_write.c. */
#ifndef KIS_SDK_ATTR_WRITE_H
#define KIS_SDK_ATTR_WRITE_H

#include "sdk/sdk.h"

/** Sets attributes of the span. Busy bit held. */
void kis_slot_set_attrs(kis_slot *slot, const kis_span_limits *limits, kis_attr_list attrs);
/** The name, a status message: the old one becomes a hole. `tag` is KIS_SLOT_NAME or
 * KIS_SLOT_MESSAGE. False: no room, the old one stays. */
bool kis_slot_set_text(kis_slot *slot, uint32_t tag, kis_str text, size_t max_bytes,
                       kis_slot_text *where);
/* A text was cut, or was not UTF-8. */
void kis_slot_count_repair(kis_slot *slot);
void kis_slot_drop_text(kis_slot *slot, kis_slot_text *where); /* the text is no more */

/* Events and links: `head` is what stands before the attributes, written already; attributes beyond
 * `max_attrs` are dropped and counted in the message. */
bool kis_slot_add_item(kis_slot *slot, uint32_t tag, kis_bytes head, uint32_t attr_tag,
                       kis_attr_list attrs, kis_attr_list more, uint32_t max_attrs,
                       const kis_span_limits *limits);

/** Attributes as fields with `tag` into memory of `arena`, for scopes and resources;
 * the last of a key counts. NOMEM. */
kis_err kis_attrs_write(kis_arena *arena, uint32_t tag, kis_attr_list attrs,
                        const kis_span_limits *limits, kis_bytes *out,
                        uint32_t *out_count) KIS_CHECKED;

/** Length of `text` as it is written: cut after `max_chars` characters (and KIS_VALUE_BYTES_MAX
 * bytes), invalid UTF-8 made U+FFFD. `is_plain`: it can be copied as it stands up to the answer. */
size_t kis_text_size(kis_str *text, uint32_t max_chars, bool *is_plain);
uint8_t *kis_text_put(uint8_t *to, kis_str text, bool is_plain);

#endif
