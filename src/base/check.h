/* check.h - assertions: for our own mistakes, never for the world's. Kept in release builds: they
 * are cheap where they stand. */
#ifndef KIS_BASE_CHECK_H
#define KIS_BASE_CHECK_H

#define KIS_ASSERT(what) ((what) ? (void)0 : kis_check_failed(#what, __FILE__, __LINE__))

/** Where a failed assertion goes; set once at start by the program (os/start), else it traps. */
extern void (*kis_check_handler)(const char *what, const char *file, int line);
_Noreturn void kis_check_failed(const char *what, const char *file, int line);

#endif
