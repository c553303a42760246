/* kiseki.h - everything: span.h is the place to start reading, sdk.h the second.
 * C++ programs include kiseki.hpp. */
#ifndef KISEKI_KISEKI_H
#define KISEKI_KISEKI_H

#include <kiseki/context_carrier.h>
#include <kiseki/otlp.h>
#include <kiseki/sdk.h>
#include <kiseki/span.h>

#endif
