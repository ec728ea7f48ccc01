#include "tests/unit/coding/coding_fixture.h"

enum { FEW = 200, PERIOD = 64, ONE_IN = 10, LARGEST_EXPONENT = 123 };

uint32_t coding_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)(*state >> 32);
}

static uint32_t weight(uint64_t *state)
{
    uint32_t below = (uint32_t)__builtin_ctz(coding_random(state) | 1U << 20);
    uint32_t sign_and_mantissa = coding_random(state) & 0x807fffffU;
    return sign_and_mantissa | (LARGEST_EXPONENT - below) << 23;
}

static uint32_t odd(uint64_t *state)
{
    static const uint32_t odds[] = {
        0x00000000, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0xffffffff,
        0x7f7fffff, 0xff7fffff, 0x00000001, 0x807fffff, 0x3f808000, 0xbf808000, 0x3f7fffff,
        0x7fffffff, 0x3f800000, 0x3f8007ff, 0x00400000, 0x3f840000, 0xbf880000,
    };
    uint32_t value = coding_random(state);
    return value % 4 == 0 ? coding_random(state) : odds[value % (sizeof(odds) / sizeof(odds[0]))];
}

void coding_fill(coding_sort sort, uint64_t seed, size_t count, uint32_t *out)
{
    uint64_t state = seed * 2 + 1;
    uint32_t few[FEW];
    for (int i = 0; i < FEW; i++) {
        few[i] = weight(&state);
    }
    for (size_t i = 0; i < count; i++) {
        switch (sort) {
        case CODING_NOISE:
            out[i] = coding_random(&state);
            break;
        case CODING_ZEROS:
            out[i] = 0;
            break;
        case CODING_ONE_VALUE:
            out[i] = 0xffc12345U;
            break;
        case CODING_ODD:
            out[i] = odd(&state);
            break;
        case CODING_FEW_VALUES:
            out[i] = few[coding_random(&state) % FEW];
            break;
        case CODING_PRUNED:
            out[i] = coding_random(&state) % ONE_IN == 0 ? weight(&state) : 0;
            break;
        case CODING_REPEATED:
            out[i] = few[i % PERIOD];
            break;
        default:
            out[i] = weight(&state);
            break;
        }
    }
}
