/* num_f64.h - what reading and writing doubles share. Not for others: they use num.h. */
#ifndef KIS_BASE_NUM_F64_H
#define KIS_BASE_NUM_F64_H

#include "base/num.h"

#define KIS_F64_MANTISSA_BITS 53
#define KIS_F64_EXPONENT_MIN  (-1074) /* of the last bit of a subnormal */

/** The powers of ten that are exactly a double. */
#define KIS_F64_EXACT_POWER_MAX 22
extern const double kis_f64_exact_powers[KIS_F64_EXACT_POWER_MAX + 1];

/** 128 bits, where the compiler has them without a function of its run-time library. */
#if defined(__SIZEOF_INT128__) && !defined(__wasm__)
#define KIS_F64_HAS_WIDE 1
__extension__ typedef unsigned __int128 kis_f64_wide;
#endif

#endif
