/* without_sdk.c - no libkiseki in the process: the library works, and records nothing. */
#include "library.h"

int main(void)
{
    return shop_price(21) == -42 ? 0 : 1;
}
