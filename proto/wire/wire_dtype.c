#include "proto/wire/wire_dtype.h"

bool wire_dtype_parse(Layerlift__V1__DataType wire, ll_dtype *out_dtype)
{
    switch (wire) {
    case LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_UNSPECIFIED:
    case LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F32:
        *out_dtype = LL_F32;
        return true;
    case LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_U8:
        *out_dtype = LL_U8;
        return true;
    case LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F16:
        *out_dtype = LL_F16;
        return true;
    case LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_U8_CHANNEL:
        *out_dtype = LL_U8_CHANNEL;
        return true;
    default:
        return false;
    }
}

Layerlift__V1__DataType wire_dtype_of(ll_dtype dtype)
{
    switch (dtype) {
    case LL_U8:
        return LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_U8;
    case LL_F16:
        return LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F16;
    case LL_U8_CHANNEL:
        return LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_U8_CHANNEL;
    default:
        return LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F32;
    }
}

size_t wire_dtypes(Layerlift__V1__DataType out_types[WIRE_DTYPES])
{
    out_types[0] = LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F32;
    out_types[1] = LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_U8;
    out_types[2] = LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F16;
    out_types[3] = LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_U8_CHANNEL;
    return WIRE_DTYPES;
}
