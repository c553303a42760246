/* check.c - where a failed assertion ends. */
#include "base/check.h"

void (*kis_check_handler)(const char *what, const char *file, int line);

void kis_check_failed(const char *what, const char *file, int line)
{
    if (kis_check_handler)
        kis_check_handler(what, file, line);
    __builtin_trap(); /* also after a handler that came back: nothing goes on behind a broken
                         promise */
}
