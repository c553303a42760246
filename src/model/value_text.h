/* value_text.h - comparing a value's text form (kis_value_text of attr.h) with a text, without
 * memory. */
#ifndef KIS_MODEL_VALUE_TEXT_H
#define KIS_MODEL_VALUE_TEXT_H

#include "model/attr.h"

/** True when kis_value_text(value) would write exactly `text`. */
bool kis_value_text_is(kis_value_view value, kis_str text);

#endif
