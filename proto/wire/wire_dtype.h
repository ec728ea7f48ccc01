/* Data types of tensors, on the wire and here.
 *
 * Threads: pure functions. */
#ifndef WIRE_DTYPE_H
#define WIRE_DTYPE_H

#include <stdbool.h>
#include <stddef.h>

#include "layerlift/v1/offload.pb-c.h"
#include "net/ll_dtype.h"

/* Unspecified means floats. False for a data type that does not exist here. */
bool wire_dtype_parse(Layerlift__V1__DataType wire, ll_dtype *out_dtype);

Layerlift__V1__DataType wire_dtype_of(ll_dtype dtype);

/* The data types that exist here. Returns how many. */
enum { WIRE_DTYPES = 4 };
size_t wire_dtypes(Layerlift__V1__DataType out_types[WIRE_DTYPES]);

#endif
