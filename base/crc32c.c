#include "base/crc32c.h"

#include "base/hash.h"

#ifdef WEIR_HAVE_ISAL
#include <isa-l.h>
#endif

/*
 * CRC-32C: polynomial 0x1edc6f41 (Castagnoli), bits reflected, begun with and ended by a complement
 * (RFC 3720, appendix B.4). The table is linear in its index, so its entries at the powers of two
 * give all others.
 */
#define BIT(n, bit, value) (((n) >> (bit)&1) * (value))
#define ENTRY(n)                                                                                   \
    (BIT(n, 0, 0xf26b8303u) ^ BIT(n, 1, 0xe13b70f7u) ^ BIT(n, 2, 0xc79a971fu) ^                    \
     BIT(n, 3, 0x8ad958cfu) ^ BIT(n, 4, 0x105ec76fu) ^ BIT(n, 5, 0x20bd8edeu) ^                    \
     BIT(n, 6, 0x417b1dbcu) ^ BIT(n, 7, 0x82f63b78u))
#define ENTRIES_4(n) ENTRY(n), ENTRY((n) + 1), ENTRY((n) + 2), ENTRY((n) + 3)
#define ENTRIES_16(n) ENTRIES_4(n), ENTRIES_4((n) + 4), ENTRIES_4((n) + 8), ENTRIES_4((n) + 12)
#define ENTRIES_64(n)                                                                              \
    ENTRIES_16(n), ENTRIES_16((n) + 16), ENTRIES_16((n) + 32), ENTRIES_16((n) + 48)

static const uint32_t crc32c_table[256] = {
    ENTRIES_64(0u),
    ENTRIES_64(64u),
    ENTRIES_64(128u),
    ENTRIES_64(192u),
};

uint32_t weir_crc32c_by_table(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc = crc >> 8 ^ crc32c_table[(crc ^ bytes[i]) & 0xff];
    }
    return ~crc;
}

#ifdef WEIR_HAVE_ISAL
/* Where a processor has AVX-512, crc32_iscsi of ISA-L 2.30 returns with the upper halves of the registers in
 * use. From then on each SSE instruction of the thread waits for them, and whatever counts with doubles takes
 * several times as long, until somebody clears them. */
#ifdef __x86_64__
__attribute__((target("avx"))) static void clear_upper_halves(void)
{
    __builtin_ia32_vzeroupper();
}
static void leave_registers_clean(void)
{
    if (__builtin_cpu_supports("avx")) clear_upper_halves();
}
#else
static void leave_registers_clean(void)
{
}
#endif

uint32_t weir_crc32c(uint32_t crc, const void *data, size_t size)
{
    /* ISA-L's length is an int and its pointer not const, though it only reads. */
    const size_t piece_max = (size_t)1 << 30;
    uint8_t *at = (uint8_t *)(uintptr_t)data;

    crc = ~crc;
    while (size > 0) {
        size_t piece = size < piece_max ? size : piece_max;
        crc = crc32_iscsi(at, (int)piece, crc);
        at += piece;
        size -= piece;
    }
    leave_registers_clean();
    return ~crc;
}
#else
uint32_t weir_crc32c(uint32_t crc, const void *data, size_t size)
{
    return weir_crc32c_by_table(crc, data, size);
}
#endif
