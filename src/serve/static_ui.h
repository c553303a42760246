/* static_ui.h - the page, from memory: a table of files that tools/embed made of ui/dist, answered
 * with tags, gzip and a strict policy. */
#ifndef KIS_SERVE_STATIC_UI_H
#define KIS_SERVE_STATIC_UI_H

#include "net/server.h"

typedef struct kis_static_file {
    const char *path; /* "/assets/index-1f3c.js" */
    const char *type; /* content type */
    const char *etag; /* with its quotes */
    const unsigned char *bytes;
    unsigned long size;
    const unsigned char *gzip; /* NULL: not smaller */
    unsigned long gzip_size;
} kis_static_file;

/* What tools/embed writes; linked into programs only. Sorted by path. */
extern const kis_static_file kis_static_files[];
extern const unsigned long kis_static_file_count;

typedef struct kis_static_ui {
    const kis_static_file *files;
    unsigned long count;
} kis_static_ui;

/** The file of a path: "/" and any path without a dot in its last part are index.html, for the page
 * routes by itself. NULL: there is none. */
const kis_static_file *kis_static_find(const kis_static_ui *ui, kis_str path);

/** Answers a GET or HEAD for a page path: 200, 304 by If-None-Match, 404. Without any page: a plain
 * text that says how to build one. */
void kis_static_answer(const kis_static_ui *ui, kis_exchange *exchange);

#endif
