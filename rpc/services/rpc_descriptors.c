#include "rpc/services/rpc_descriptors.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Two passes over each file: name, package and imports first, then every name that it defines, put
 * behind its scope ("package.Message.field"). Only length-delimited fields matter; the rest is
 * skipped by its wire type. Field numbers are those of google/protobuf/descriptor.proto. */

enum {
    LIMIT_FILES = 1024,
    LIMIT_SYMBOLS = 1 << 16,
    LIMIT_NAME_BYTES = 1024,
    LIMIT_DEPTH = 32,
};

struct span {
    const uint8_t *data;
    size_t bytes;
};

struct symbol {
    char *name;
    size_t file;
    bool is_service;
};

struct file {
    struct span whole;
    struct span name;
    struct span package;
    /* Indices into the set. */
    size_t *imports;
    size_t import_count;
};

struct rpc_descriptors {
    struct file *files;
    size_t file_count;
    /* Sorted by name. */
    struct symbol *symbols;
    size_t symbol_count;
    size_t symbol_room;
};

typedef enum { FIELD, END, BROKEN } field_result;

static bool read_varint(struct span *span, uint64_t *out_value)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && span->bytes > 0; shift += 7) {
        uint8_t byte = *span->data++;
        span->bytes--;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out_value = value;
            return true;
        }
    }
    return false;
}

static bool skip(struct span *span, uint64_t bytes)
{
    if (bytes > span->bytes) {
        return false;
    }
    span->data += bytes;
    span->bytes -= bytes;
    return true;
}

/* The next length-delimited field of the message that is left in `span`. */
static field_result next_field(struct span *span, uint64_t *out_number, struct span *out_value)
{
    while (span->bytes > 0) {
        uint64_t tag = 0;
        uint64_t value = 0;
        if (!read_varint(span, &tag)) {
            return BROKEN;
        }
        bool is_good = false;
        switch (tag & 7) {
        case 0:
            is_good = read_varint(span, &value);
            break;
        case 1:
            is_good = skip(span, 8);
            break;
        case 2:
            is_good = read_varint(span, &value) && value <= span->bytes;
            break;
        case 5:
            is_good = skip(span, 4);
            break;
        default:
            break;
        }
        if (!is_good) {
            return BROKEN;
        }
        if ((tag & 7) == 2) {
            out_value->data = span->data;
            out_value->bytes = (size_t)value;
            *out_number = tag >> 3;
            skip(span, value);
            return FIELD;
        }
    }
    return END;
}

/* The last value of a string field; empty where there is none. Checks the whole message, so that
 * whoever walks one whose name was found need not. */
static ll_status find_string(struct span message, uint64_t number, struct span *out_value)
{
    struct span value = {NULL, 0};
    struct span at = {NULL, 0};
    uint64_t found = 0;
    field_result result = FIELD;
    while ((result = next_field(&message, &found, &at)) == FIELD) {
        if (found == number) {
            value = at;
        }
    }
    if (result == BROKEN || value.bytes > LIMIT_NAME_BYTES ||
        (value.bytes > 0 && memchr(value.data, 0, value.bytes))) {
        return LL_E_INVALID;
    }
    *out_value = value;
    return LL_OK;
}

/* "scope.name"; where `scope` is empty, "name". Heap; NULL without memory. */
static char *join(struct span scope, struct span name)
{
    char *full = malloc(scope.bytes + 1 + name.bytes + 1);
    if (!full) {
        return NULL;
    }
    size_t at = 0;
    if (scope.bytes > 0) {
        memcpy(full, scope.data, scope.bytes);
        at = scope.bytes;
        full[at++] = '.';
    }
    memcpy(full + at, name.data, name.bytes);
    full[at + name.bytes] = '\0';
    return full;
}

/* Adds the name of `message` (its field 1) within `scope`. */
static ll_status add_symbol(struct rpc_descriptors *descriptors, size_t file, struct span scope,
                            struct span message, struct span *out_full)
{
    struct span name = {NULL, 0};
    ll_status status = find_string(message, 1, &name);
    if (status != LL_OK) {
        return status;
    }
    if (name.bytes == 0 || descriptors->symbol_count >= LIMIT_SYMBOLS) {
        return LL_E_INVALID;
    }
    if (descriptors->symbol_count == descriptors->symbol_room) {
        size_t room = descriptors->symbol_room > 0 ? 2 * descriptors->symbol_room : 64;
        struct symbol *larger = realloc(descriptors->symbols, room * sizeof(*larger));
        if (!larger) {
            return LL_E_NO_MEMORY;
        }
        descriptors->symbols = larger;
        descriptors->symbol_room = room;
    }
    char *full = join(scope, name);
    if (!full) {
        return LL_E_NO_MEMORY;
    }
    struct symbol symbol = {.name = full, .file = file};
    descriptors->symbols[descriptors->symbol_count++] = symbol;
    out_full->data = (const uint8_t *)full;
    out_full->bytes = strlen(full);
    return LL_OK;
}

/* Adds the names of all `number` fields of `message`. */
static ll_status add_members(struct rpc_descriptors *descriptors, size_t file, struct span scope,
                             struct span message, uint64_t number)
{
    struct span value = {NULL, 0};
    struct span full = {NULL, 0};
    uint64_t found = 0;
    ll_status status = LL_OK;
    while (status == LL_OK && next_field(&message, &found, &value) == FIELD) {
        if (found == number) {
            status = add_symbol(descriptors, file, scope, value, &full);
        }
    }
    return status;
}

/* An enum's values are named beside it, not inside. */
static ll_status add_enum(struct rpc_descriptors *descriptors, size_t file, struct span scope,
                          struct span message)
{
    struct span full = {NULL, 0};
    ll_status status = add_symbol(descriptors, file, scope, message, &full);
    return status == LL_OK ? add_members(descriptors, file, scope, message, 2) : status;
}

static ll_status add_service(struct rpc_descriptors *descriptors, size_t file, struct span scope,
                             struct span message)
{
    struct span full = {NULL, 0};
    ll_status status = add_symbol(descriptors, file, scope, message, &full);
    if (status == LL_OK) {
        descriptors->symbols[descriptors->symbol_count - 1].is_service = true;
        status = add_members(descriptors, file, full, message, 2);
    }
    return status;
}

static ll_status add_message(struct rpc_descriptors *descriptors, size_t file, struct span scope,
                             struct span message, int depth)
{
    struct span full = {NULL, 0};
    ll_status status =
        depth < LIMIT_DEPTH ? add_symbol(descriptors, file, scope, message, &full) : LL_E_INVALID;
    struct span value = {NULL, 0};
    uint64_t number = 0;
    while (status == LL_OK && next_field(&message, &number, &value) == FIELD) {
        struct span member = {NULL, 0};
        if (number == 3) {
            status = add_message(descriptors, file, full, value, depth + 1);
        } else if (number == 4) {
            status = add_enum(descriptors, file, full, value);
        } else if (number == 2 || number == 6 || number == 8) {
            /* Fields, extensions, oneofs. */
            status = add_symbol(descriptors, file, full, value, &member);
        }
    }
    return status;
}

static ll_status add_file_symbols(struct rpc_descriptors *descriptors, size_t file)
{
    struct span left = descriptors->files[file].whole;
    struct span scope = descriptors->files[file].package;
    struct span value = {NULL, 0};
    uint64_t number = 0;
    ll_status status = LL_OK;
    while (status == LL_OK && next_field(&left, &number, &value) == FIELD) {
        struct span full = {NULL, 0};
        if (number == 4) {
            status = add_message(descriptors, file, scope, value, 0);
        } else if (number == 5) {
            status = add_enum(descriptors, file, scope, value);
        } else if (number == 6) {
            status = add_service(descriptors, file, scope, value);
        } else if (number == 7) {
            status = add_symbol(descriptors, file, scope, value, &full);
        }
    }
    return status;
}

static ll_status find_file(const struct rpc_descriptors *descriptors, struct span name,
                           size_t *out_file)
{
    for (size_t i = 0; i < descriptors->file_count; i++) {
        struct span other = descriptors->files[i].name;
        if (other.bytes == name.bytes && memcmp(other.data, name.data, name.bytes) == 0) {
            *out_file = i;
            return LL_OK;
        }
    }
    return LL_E_NOT_FOUND;
}

static ll_status add_imports(struct rpc_descriptors *descriptors, struct file *file)
{
    struct span left = file->whole;
    struct span value = {NULL, 0};
    uint64_t number = 0;
    size_t count = 0;
    while (next_field(&left, &number, &value) == FIELD) {
        count += number == 3;
    }
    file->imports = calloc(count + 1, sizeof(*file->imports));
    if (!file->imports) {
        return LL_E_NO_MEMORY;
    }
    left = file->whole;
    while (next_field(&left, &number, &value) == FIELD) {
        if (number != 3) {
            continue;
        }
        if (find_file(descriptors, value, &file->imports[file->import_count++]) != LL_OK) {
            return LL_E_INVALID;
        }
    }
    return LL_OK;
}

static ll_status add_files(struct rpc_descriptors *descriptors, struct span set)
{
    struct span left = set;
    struct span value = {NULL, 0};
    uint64_t number = 0;
    field_result result = FIELD;
    size_t count = 0;
    while ((result = next_field(&left, &number, &value)) == FIELD) {
        count += number == 1;
    }
    if (result == BROKEN || count == 0 || count > LIMIT_FILES) {
        return LL_E_INVALID;
    }
    descriptors->files = calloc(count, sizeof(*descriptors->files));
    if (!descriptors->files) {
        return LL_E_NO_MEMORY;
    }
    left = set;
    ll_status status = LL_OK;
    while (status == LL_OK && next_field(&left, &number, &value) == FIELD) {
        if (number != 1) {
            continue;
        }
        struct file *file = &descriptors->files[descriptors->file_count++];
        file->whole = value;
        status = find_string(value, 1, &file->name);
        if (status == LL_OK) {
            status = file->name.bytes > 0 ? find_string(value, 2, &file->package) : LL_E_INVALID;
        }
    }
    for (size_t i = 0; status == LL_OK && i < descriptors->file_count; i++) {
        status = add_imports(descriptors, &descriptors->files[i]);
    }
    for (size_t i = 0; status == LL_OK && i < descriptors->file_count; i++) {
        status = add_file_symbols(descriptors, i);
    }
    return status;
}

static int compare_symbols(const void *left, const void *right)
{
    const struct symbol *a = left;
    const struct symbol *b = right;
    return strcmp(a->name, b->name);
}

ll_status rpc_descriptors_create(const uint8_t *set, size_t bytes,
                                 struct rpc_descriptors **out_descriptors)
{
    struct rpc_descriptors *descriptors = calloc(1, sizeof(*descriptors));
    if (!descriptors) {
        return LL_E_NO_MEMORY;
    }
    struct span whole = {set, bytes};
    ll_status status = add_files(descriptors, whole);
    if (status != LL_OK) {
        rpc_descriptors_destroy(descriptors);
        return status;
    }
    if (descriptors->symbol_count > 0) {
        qsort(descriptors->symbols, descriptors->symbol_count, sizeof(*descriptors->symbols),
              compare_symbols);
    }
    *out_descriptors = descriptors;
    return LL_OK;
}

void rpc_descriptors_destroy(struct rpc_descriptors *descriptors)
{
    if (!descriptors) {
        return;
    }
    for (size_t i = 0; i < descriptors->file_count; i++) {
        free(descriptors->files[i].imports);
    }
    for (size_t i = 0; i < descriptors->symbol_count; i++) {
        free(descriptors->symbols[i].name);
    }
    free(descriptors->files);
    free(descriptors->symbols);
    free(descriptors);
}

size_t rpc_descriptors_files(const struct rpc_descriptors *descriptors)
{
    return descriptors->file_count;
}

const uint8_t *rpc_descriptors_file(const struct rpc_descriptors *descriptors, size_t file,
                                    size_t *out_bytes)
{
    *out_bytes = descriptors->files[file].whole.bytes;
    return descriptors->files[file].whole.data;
}

ll_status rpc_descriptors_find_file(const struct rpc_descriptors *descriptors, const char *name,
                                    size_t *out_file)
{
    struct span span = {(const uint8_t *)name, strlen(name)};
    return find_file(descriptors, span, out_file);
}

ll_status rpc_descriptors_find_symbol(const struct rpc_descriptors *descriptors, const char *symbol,
                                      size_t *out_file)
{
    struct symbol wanted = {.name = (char *)symbol};
    const struct symbol *found =
        descriptors->symbol_count == 0
            ? NULL
            : bsearch(&wanted, descriptors->symbols, descriptors->symbol_count,
                      sizeof(*descriptors->symbols), compare_symbols);
    if (!found) {
        return LL_E_NOT_FOUND;
    }
    *out_file = found->file;
    return LL_OK;
}

size_t rpc_descriptors_closure(const struct rpc_descriptors *descriptors, size_t file,
                               size_t *out_list)
{
    size_t count = 0;
    out_list[count++] = file;
    for (size_t at = 0; at < count; at++) {
        const struct file *importer = &descriptors->files[out_list[at]];
        for (size_t i = 0; i < importer->import_count; i++) {
            size_t known = 0;
            while (known < count && out_list[known] != importer->imports[i]) {
                known++;
            }
            if (known == count) {
                out_list[count++] = importer->imports[i];
            }
        }
    }
    return count;
}

const char *rpc_descriptors_service(const struct rpc_descriptors *descriptors, size_t index)
{
    for (size_t i = 0; i < descriptors->symbol_count; i++) {
        if (descriptors->symbols[i].is_service && index-- == 0) {
            return descriptors->symbols[i].name;
        }
    }
    return NULL;
}
