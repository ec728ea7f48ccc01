/* Half precision has two implementations with equal results for all inputs: one with the
 * processor's instructions (F16C), and one in plain C, which is what other processors run and what
 * the tests compare the first with. */
#include "net/ll_dtype.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "net/ll_half.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are little-endian on the wire");

/* Values that are expanded at a time: through memory of their own, since input and output overlap.
 */
enum { DTYPE_BLOCK = 256 };

int ll_dtype_bytes(ll_dtype dtype)
{
    return dtype == LL_U8 || dtype == LL_U8_CHANNEL ? 1 : dtype == LL_F16 ? 2 : (int)sizeof(float);
}

bool ll_dtype_is_rounding(ll_dtype dtype)
{
    return dtype == LL_F16 || dtype == LL_U8_CHANNEL;
}

/* ---- Bytes ---- */

/* Exactly as images become floats (vision_bilinear.c). */
static float from_u8(uint8_t k)
{
    return (float)k / 255.0F;
}

static uint32_t bits_of(float value)
{
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

/* The nearest k; NaN gives 0. */
static uint8_t nearest_u8(float value)
{
    float inside = value > 0 ? (value < 1 ? value : 1.0F) : 0.0F;
    return (uint8_t)(inside * 255.0F + 0.5F);
}

static bool encode_u8(const float *values, int64_t count, uint8_t *out)
{
    uint32_t wrong = 0;
    for (int64_t i = 0; i < count; i++) {
        uint8_t k = nearest_u8(values[i]);
        wrong |= bits_of(from_u8(k)) ^ bits_of(values[i]);
        out[i] = k;
        if (i % DTYPE_BLOCK == 0 && wrong != 0) {
            return false;
        }
    }
    return wrong == 0;
}

void ll_u8_quantise(float *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        values[i] = from_u8(nearest_u8(values[i]));
    }
}

/* ---- Half precision ---- */

/* Finite, but rounded to an infinity: from halfway between 65504 and 65536 on. */
static bool overflows(const float *values, int64_t count)
{
    uint32_t found = 0;
    for (int64_t i = 0; i < count; i++) {
        uint32_t magnitude = bits_of(values[i]) & 0x7fffffffU;
        found |= (uint32_t)(magnitude >= 0x477ff000U) & (uint32_t)(magnitude < 0x7f800000U);
    }
    return found != 0;
}

static void encode_plain(const float *values, int64_t count, uint16_t *out)
{
    for (int64_t i = 0; i < count; i++) {
        out[i] = ll_half_from_float(values[i]);
    }
}

static void decode_plain(const uint16_t *halves, int64_t count, float *out)
{
    for (int64_t i = 0; i < count; i++) {
        out[i] = ll_half_to_float(halves[i]);
    }
}

#if defined(__x86_64__)
enum { F16C_LANES = 8 };

__attribute__((target("avx,f16c"))) static void encode_f16c(const float *values, int64_t count,
                                                            uint16_t *out)
{
    int64_t i = 0;
    for (; i + F16C_LANES <= count; i += F16C_LANES) {
        __m128i halves = _mm256_cvtps_ph(_mm256_loadu_ps(values + i), _MM_FROUND_TO_NEAREST_INT);
        memcpy(out + i, &halves, sizeof(halves));
    }
    encode_plain(values + i, count - i, out + i);
}

__attribute__((target("avx,f16c"))) static void decode_f16c(const uint16_t *halves, int64_t count,
                                                            float *out)
{
    int64_t i = 0;
    for (; i + F16C_LANES <= count; i += F16C_LANES) {
        __m128i some;
        memcpy(&some, halves + i, sizeof(some));
        _mm256_storeu_ps(out + i, _mm256_cvtph_ps(some));
    }
    decode_plain(halves + i, count - i, out + i);
}

/* Compilers do not all know this feature's name; every processor with AVX2 has it. */
static bool has_f16c(void)
{
    return __builtin_cpu_supports("avx2");
}
#else
static void encode_f16c(const float *values, int64_t count, uint16_t *out)
{
    encode_plain(values, count, out);
}

static void decode_f16c(const uint16_t *halves, int64_t count, float *out)
{
    decode_plain(halves, count, out);
}

static bool has_f16c(void)
{
    return false;
}
#endif

static bool encode_f16(const float *values, int64_t count, void *out_bytes)
{
    if (overflows(values, count)) {
        return false;
    }
    uint16_t block[DTYPE_BLOCK];
    bool is_fast = has_f16c();
    for (int64_t i = 0; i < count; i += DTYPE_BLOCK) {
        int64_t some = count - i < DTYPE_BLOCK ? count - i : DTYPE_BLOCK;
        (is_fast ? encode_f16c : encode_plain)(values + i, some, block);
        memcpy((char *)out_bytes + i * 2, block, (size_t)some * sizeof(block[0]));
    }
    return true;
}

/* ---- Both ---- */

bool ll_dtype_encode(ll_dtype dtype, const float *values, int64_t count, void *out_bytes)
{
    switch (dtype) {
    case LL_U8:
        return encode_u8(values, count, out_bytes);
    case LL_F16:
        return encode_f16(values, count, out_bytes);
    default:
        memcpy(out_bytes, values, (size_t)count * sizeof(float));
        return true;
    }
}

static void expand_block(ll_dtype dtype, const char *encoded, int64_t count, float *out,
                         bool is_fast)
{
    if (dtype == LL_U8) {
        for (int64_t i = 0; i < count; i++) {
            out[i] = from_u8((uint8_t)encoded[i]);
        }
        return;
    }
    uint16_t halves[DTYPE_BLOCK];
    memcpy(halves, encoded, (size_t)count * sizeof(halves[0]));
    (is_fast ? decode_f16c : decode_plain)(halves, count, out);
}

void ll_dtype_expand(ll_dtype dtype, void *buffer, int64_t count)
{
    int64_t width = ll_dtype_bytes(dtype);
    if (dtype == LL_F32) {
        return;
    }
    /* What is written never reaches what is not read yet: each value's place lies before its
     * encoding, or upon it at the end. */
    char *floats = buffer;
    const char *encoded = floats + count * ((int64_t)sizeof(float) - width);
    float block[DTYPE_BLOCK];
    bool is_fast = has_f16c();
    for (int64_t i = 0; i < count; i += DTYPE_BLOCK) {
        int64_t some = count - i < DTYPE_BLOCK ? count - i : DTYPE_BLOCK;
        expand_block(dtype, encoded + i * width, some, block, is_fast);
        memcpy(floats + i * (int64_t)sizeof(float), block, (size_t)some * sizeof(float));
    }
}
