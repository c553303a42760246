/* check_test.c - a broken promise is reported with its place, and nothing goes on behind it. */
#include "tests/test.h"

#include <string.h>

#include "base/check.h"

static jmp_buf back;
static char what_failed[64];

static void remember(const char *what, const char *file, int line)
{
    snprintf(what_failed, sizeof(what_failed), "%s %s %d", what,
             strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line > 0);
    longjmp(back, 1);
}

TEST(a_failed_assertion_names_itself)
{
    kis_check_handler = remember;
    KIS_ASSERT(1 + 1 == 2);
    if (setjmp(back) == 0) {
        KIS_ASSERT(1 + 1 == 3);
        fail_msg("%s", "went on behind a failed assertion");
    }
    assert_string_equal("1 + 1 == 3 check_test.c 1", what_failed);
    kis_check_handler = NULL;
}

TEST_MAIN(RUN(a_failed_assertion_names_itself))
