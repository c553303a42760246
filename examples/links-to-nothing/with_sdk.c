/* with_sdk.c - the same library beside libkiseki: its span is recorded, and has ended when the
 * library returns. */
#include <stdio.h>

#include <kiseki/kiseki.h>

#include "library.h"

int main(void)
{
    kis_sdk *sdk = kis_sdk_start(&(kis_sdk_options){ .exporter = KIS_STR("memory") }, NULL);
    kis_sdk_stats stats;
    int price = shop_price(21);

    kis_sdk_get_stats(sdk, &stats);
    kis_sdk_stop(sdk, 1000);
    if (price == 42 && stats.started == 1 && stats.ended == 1)
        return 0;
    fprintf(stderr, "price %d, %llu spans started, %llu ended\n", price,
            (unsigned long long)stats.started, (unsigned long long)stats.ended);
    return 1;
}
