/* The descriptor set of the .proto files beside this header. */
#ifndef RPC_TEST_DESCRIPTORS_H
#define RPC_TEST_DESCRIPTORS_H

#include <stddef.h>

extern const unsigned char rpc_test_descriptors[];
extern const size_t rpc_test_descriptors_bytes;

#endif
