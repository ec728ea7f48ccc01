/* An index over a serialised FileDescriptorSet: which file defines a name, and what it imports.
 * Inside rpc/ only, for reflection.
 *
 * The set's bytes are checked, indexed and handed out as they are; protobuf-c has no descriptor
 * pool.
 *
 * Threads: immutable once created. */
#ifndef RPC_DESCRIPTORS_H
#define RPC_DESCRIPTORS_H

#include <stddef.h>
#include <stdint.h>

#include "core/ll_status.h"

struct rpc_descriptors;

/* `set` outlives the index. Errors: LL_E_INVALID for bytes that are not a FileDescriptorSet with
 * all its imports, or above this module's limits; LL_E_NO_MEMORY. */
LL_MUST_USE ll_status rpc_descriptors_create(const uint8_t *set, size_t bytes,
                                             struct rpc_descriptors **out_descriptors);
/* NULL is allowed. */
void rpc_descriptors_destroy(struct rpc_descriptors *descriptors);

size_t rpc_descriptors_files(const struct rpc_descriptors *descriptors);
/* A file's serialised FileDescriptorProto. */
const uint8_t *rpc_descriptors_file(const struct rpc_descriptors *descriptors, size_t file,
                                    size_t *out_bytes);

/* The file of that name, or that defines `symbol`: a service, method, message, field, oneof, enum,
 * enum value or extension by its full name. LL_E_NOT_FOUND. */
LL_MUST_USE ll_status rpc_descriptors_find_file(const struct rpc_descriptors *descriptors,
                                                const char *name, size_t *out_file);
LL_MUST_USE ll_status rpc_descriptors_find_symbol(const struct rpc_descriptors *descriptors,
                                                  const char *symbol, size_t *out_file);

/* Writes `file` and then what it imports, at any remove, each once, to `out_list` (room for
 * rpc_descriptors_files). Returns how many. */
size_t rpc_descriptors_closure(const struct rpc_descriptors *descriptors, size_t file,
                               size_t *out_list);

/* The full name of the index-th service in order of names; NULL behind the last. */
const char *rpc_descriptors_service(const struct rpc_descriptors *descriptors, size_t index);

#endif
