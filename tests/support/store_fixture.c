#include "tests/support/store_fixture.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/ll_test.h"

static bool is_counted(const char *name)
{
    return name[0] != '.' && !strstr(name, ".lock") && strncmp(name, "pack-", 5) != 0 &&
           strcmp(name, "VERSION") != 0 && strcmp(name, "models") != 0;
}

int store_fixture_count_files(const char *folder)
{
    int count = 0;
    DIR *dir = opendir(folder);
    CU_ASSERT_PTR_NOT_NULL_FATAL(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        count += is_counted(entry->d_name);
    }
    closedir(dir);
    return count;
}

struct edge_store *store_fixture_open(const char *folder, int64_t budget_bytes)
{
    struct edge_store *store = NULL;
    struct ll_error err;
    const struct edge_store_config config = {.folder = folder, .budget_bytes = budget_bytes};
    CU_ASSERT_EQUAL_FATAL(edge_store_create(&config, &store, &err), LL_OK);
    return store;
}

struct edge_blob *store_fixture_get_filled(struct edge_store *store, char value, size_t bytes,
                                           char **out_data)
{
    struct ll_digest digest;
    struct edge_blob *blob = NULL;
    char *data = malloc(bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(data);
    memset(data, value, bytes);
    CU_ASSERT_EQUAL_FATAL(ll_digest_of(data, bytes, &digest), LL_OK);
    CU_ASSERT_EQUAL_FATAL(edge_store_get(store, &digest, (int64_t)bytes, &blob), LL_OK);
    *out_data = data;
    return blob;
}
