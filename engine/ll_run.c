#include "engine/ll_run.h"

#include <stddef.h>

const struct ll_tensor_in *ll_run_find_input(const struct ll_run *run, int name)
{
    for (int i = 0; i < run->input_count; i++) {
        if (run->inputs[i].name == name) {
            return &run->inputs[i];
        }
    }
    return NULL;
}
