/* num_fuzz.c - every text is read as the C library reads it, and every double comes back. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void fuzz_double(double value)
{
    char text[KIS_NUM_TEXT_MAX + 1];
    double back = 0;

    text[kis_f64_format(value, text)] = '\0';
    if (!isfinite(value))
        return;
    check(kis_f64_parse(kis_str_from_c(text), &back) == KIS_OK && memcmp(&back, &value, 8) == 0);
    back = strtod(text, NULL);
    check(memcmp(&back, &value, 8) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char text[2000];
    double value, want;
    int64_t ns, back_ns;
    uint64_t number, back;
    uint8_t decoded[2000];
    size_t len;
    kis_str s = kis_str_of((const char *)bytes, size);

    if (size >= 8) {
        memcpy(&value, bytes, 8);
        fuzz_double(value);
    }
    if (kis_f64_parse(s, &value) == KIS_OK && kis_str_to_c(s, text, sizeof(text))) {
        want = strtod(text, NULL);
        check(memcmp(&value, &want, 8) == 0);
    }
    if (kis_duration_parse(s, &ns) == KIS_OK)
        check(kis_duration_parse(kis_str_of(text, kis_duration_format(ns, text)), &back_ns) ==
                  KIS_OK &&
              back_ns == ns);
    if (kis_time_parse(s, &number) == KIS_OK)
        check(kis_time_parse(kis_str_of(text, kis_time_format(number, text)), &back) == KIS_OK &&
              back == number);
    if (kis_size_parse(s, &number) == KIS_OK)
        check(kis_size_format(number, text) <= KIS_NUM_TEXT_MAX);
    if (kis_i64_parse(s, &ns) == KIS_OK)
        check(kis_i64_parse(kis_str_of(text, kis_i64_format(ns, text)), &back_ns) == KIS_OK &&
              back_ns == ns);
    if (size < 1000 && kis_base64_parse(s, decoded, sizeof(decoded), &len) == KIS_OK)
        check(len <= kis_base64_size(size));
    return 0;
}
