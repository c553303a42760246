/* library.h - what the library answers tells whether its span was recorded: the sign of the
 * price. */
#ifndef SHOP_LIBRARY_H
#define SHOP_LIBRARY_H

__attribute__((visibility("default"))) int shop_price(int article);

#endif
