/* What a server tells by reflection: a serialised FileDescriptorSet of every service here, with
 * imports and comments. */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

#include <stddef.h>

extern const unsigned char proto_descriptors[];
extern const size_t proto_descriptors_bytes;

#endif
