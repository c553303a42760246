/* console_json.h - a span as indented JSON with the fields that Go's stdout exporter prints, for
 * reading by people. */
#ifndef KIS_SEND_CONSOLE_JSON_H
#define KIS_SEND_CONSOLE_JSON_H

#include "model/reader.h"

/** Appends one object and a line end. */
void kis_console_span(const kis_found_span *found, kis_buf *out);

#endif
