/* crc.h - CRC-32C (Castagnoli), for records in files. Uses SSE4.2 where the processor has it. */
#ifndef KIS_BASE_CRC_H
#define KIS_BASE_CRC_H

#include "base/str.h"

/** Continues `crc` (0 at first) over `bytes`. "123456789" gives 0xe3069283. */
uint32_t kis_crc32c(uint32_t crc, kis_bytes bytes);
/** The same by tables, for processors without the instruction, and for the test that both agree. */
uint32_t kis_crc32c_table(uint32_t crc, kis_bytes bytes);

#endif
